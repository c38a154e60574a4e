import type { Logger } from 'pino';
import type { Limits } from '../limits';

/** How many client connections there may be. Leaves descriptors for files, the connections to NATS and the log. */
export function boundByDescriptors({ connectionsMax, descriptorsReserved }: Limits, log: Logger): number {
  const descriptors = descriptorsMax();
  const available = Math.max(1, descriptors - descriptorsReserved);
  if (!(available < connectionsMax)) return connectionsMax; // also if it is not a number
  log.warn(
    { descriptors, connectionsMax: available, wanted: connectionsMax },
    'too few file descriptors for connections_max',
  );
  return available;
}

/** NaN if there is no limit. */
function descriptorsMax(): number {
  // The part on the network would ask name servers for both ends of every open socket, and wait for them.
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork: boolean }; // @types/node does not know it
  const { excludeNetwork } = report;
  report.excludeNetwork = true;
  try {
    const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
    return Number(userLimits?.open_files?.soft);
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}
