import pino, { type Logger } from 'pino';
import { printable } from '../cli/output';
import { readLogLevel, type LogLevel } from '../config/log-level';
import { LogWriter, fatal, logDescriptor } from './log-writer';

/** Bytes that wait while stderr takes nothing. */
const logBytesMax = 1 << 20;

const options = { hooks: { streamWrite: shown } };
const writer = new LogWriter({
  fd: logDescriptor(),
  bytesMax: logBytesMax,
  toNote: (lines) => noteOf(lines),
});
process.on('exit', () => {
  writer.flushSync();
});

/** On a terminal without control characters, which JSON does not escape and a terminal would obey. */
function shown(line: string): string {
  return process.stderr.isTTY ? `${printable(line.trimEnd())}\n` : line;
}

/** A logger of its own, which makes the line as all others are made. */
function noteOf(lines: number): string {
  let note = '';
  pino(options, { write: (line) => (note = line) }).warn({ lines }, 'lines of the log were dropped');
  return note;
}

/** The log of the process: JSON lines on stderr. */
export function openLog(level: LogLevel): Logger {
  const children = new Set<WeakRef<Logger>>();
  const log = pino({ ...options, level, onChild: (child) => children.add(new WeakRef(child)) }, writer);
  // Those of pino keep the level that they begin with.
  log.on('level-change', (...change) => {
    // Children emit it too, on the same emitter.
    if (change[4] !== log) return;
    for (const kept of children) {
      const child = kept.deref();
      if (child === undefined) children.delete(kept);
      else child.level = log.level;
    }
  });
  return log;
}

/**
 * Writes a line that another process of the gateway has logged. Two processes that write to one pipe may break each other's lines: those
 * above 4 KiB, when its reader is slow.
 */
export function relayLine(line: string): void {
  writer.lastLevel = line.startsWith('{"level":60,') ? fatal : 0;
  writer.write(shown(line));
}

/** Sets the level to that of the file. A file that cannot be used changes nothing. */
export function reloadLevel(log: Logger, file: string): void {
  try {
    const level = readLogLevel(file);
    if (level === log.level) return;
    const from = log.level;
    log.level = level;
    log.info({ from, to: level }, 'the log has another level');
  } catch (err) {
    log.error({ err, file }, 'the file of the log level cannot be used; the level stays');
  }
}

/** Logs a bug; its line is written before this returns. */
export function logCrash(err: unknown): void {
  pino(options, writer).fatal({ err }, 'unexpected error');
}
