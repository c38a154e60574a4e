import { readFileSync } from 'node:fs';

/** From the most to the fewest lines. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type LogLevel = (typeof logLevels)[number];

/** The level that a file holds, alone on its line. Throws an Error that says what the file must hold. */
export function readLogLevel(path: string): LogLevel {
  const text = readFileSync(path, 'utf8').trim();
  const level = logLevels.find((word) => word === text);
  if (level === undefined) throw new Error(`${path} must hold one of ${logLevels.join(', ')}`);
  return level;
}
