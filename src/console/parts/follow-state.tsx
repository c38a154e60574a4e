import type { VNode } from 'preact';
import type { Following } from '../reads/follow';
import { Problem } from './problem';
import { shown } from './shown';

const words: Readonly<Record<Exclude<Following['is'], 'failed' | 'waiting'>, string>> = {
  connecting: 'connecting',
  live: 'live',
  behind: 'catching up',
};

/** How it goes with following. */
export function FollowState({
  following,
  paused,
}: {
  readonly following: Following | undefined;
  readonly paused: boolean;
}): VNode | null {
  if (following?.is === 'failed') return <Problem error={following.error} />;
  const word = paused
    ? 'paused'
    : following === undefined
      ? 'connecting'
      : following.is === 'waiting'
        ? `waiting for the gateway: ${shown(following.reason)}`
        : words[following.is];
  return (
    <span class={`badge ${paused ? 'paused' : (following?.is ?? 'connecting')}`} role="status">
      {word}
    </span>
  );
}
