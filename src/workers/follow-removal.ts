import type { RemovalReport } from '../store/store-facts';
import type { PrimaryLink } from './primary-link';

/** Has the store report what the primary, which removes messages, tells of it. */
export function followRemoval(link: PrimaryLink): { into(report: RemovalReport): void } {
  let latest = '';
  let report: RemovalReport | undefined;
  link.onMessage((message) => {
    if (message.kind !== 'removal') return;
    latest = message.trouble;
    if (report !== undefined) report.trouble = latest;
  });
  return {
    into(opened) {
      report = opened;
      report.trouble = latest;
    },
  };
}
