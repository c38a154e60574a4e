import type { PageHint } from '../../generated/sluice/v1/event_store_service';
import type { Limits } from '../limits';

/** How much one response message may hold. */
export interface PageSize {
  /** Infinity: no bound. */
  readonly eventsMax: number;
  readonly bytesMax: number;
}

/** A hint cannot be wrong: 0 asks for nothing, and more than the limit counts as the limit. */
export function parsePageHint(hint: PageHint | undefined, { pageBytesMax }: Limits): PageSize {
  return {
    eventsMax: hint?.eventsMax || Infinity,
    bytesMax: Math.min(hint?.bytesMax || pageBytesMax, pageBytesMax),
  };
}
