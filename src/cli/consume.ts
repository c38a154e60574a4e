import { GroupError, type EventHandler } from '../client/client';
import { optionalNumber } from './arguments';
import { defineCommand, type Context } from './command';
import { printEvent, printOptions } from './event-text';
import { execHandler } from './exec';
import { exitCode, UsageError } from './failure';
import { keysOptions, withGivenKeys } from './keys-option';
import { one } from './words';

export const consumeCommand = defineCommand({
  name: 'consume',
  usage: 'GROUP',
  summary: 'Handle the events of a consumer group: print each, or start a process for it.',
  details:
    'The command is a member of the group until Ctrl-C or SIGTERM; then it gets no more events, waits\n' +
    'for those under way, and ends with 0. A second signal ends it at once. Without --exec, an event\n' +
    'counts as handled when it is printed.\n' +
    'With --exec, the shell runs CMD for each event, with the event as a line of JSON on its standard\n' +
    'input, as `sluice read --json` prints it, and "delivery": attempt, redelivered, replayed. Its exit\n' +
    'code decides: 0: done; 65: the event is parked; others: it is retried, with the last line on\n' +
    'standard error as the reason. 126 and 127, with which a shell says that it cannot run CMD, end\n' +
    'this command. A process whose event no longer counts gets SIGTERM: its time is over, or another\n' +
    'member gets the event.',
  options: {
    exec: { kind: 'text', value: 'CMD', help: 'Run this command in a shell for each event.' },
    concurrency: {
      kind: 'text',
      value: 'N',
      help: 'With --exec: run this many at a time, of different streams. Default: 1.',
    },
    member: { kind: 'text', value: 'ID', help: 'The id of the member. Default: the gateway makes one.' },
    'until-caught-up': { kind: 'flag', help: 'Stop when nothing stored is left to handle.' },
    full: printOptions.full,
    ...keysOptions,
  },
  plan({ words, given }) {
    const group = one(words, 'GROUP');
    const { exec, member } = given;
    const concurrency = Number(optionalNumber(given.concurrency, '--concurrency') ?? 1n);
    if (concurrency < 1 || concurrency > concurrencyMax)
      throw new UsageError(`--concurrency must be 1 to ${concurrencyMax}`);
    if (exec === undefined && given.concurrency !== undefined)
      throw new UsageError('--concurrency needs --exec');
    const style = { asJson: given.json, full: given.full };
    return withGivenKeys(given, async (context) => {
      const print: EventHandler = (event) => printEvent(context.out, event, style);
      const consumption = { group, member, concurrency, untilCaughtUp: given['until-caught-up'] };
      if (exec === undefined) return run(context, print, consumption);
      const handler = execHandler(exec, context.errSink);
      return run(context, handler.handle, { ...consumption, failed: handler.failed });
    });
  },
});

/** The most processes at a time. */
const concurrencyMax = 1_000;

interface Consumption {
  readonly group: string;
  readonly member: string | undefined;
  readonly concurrency: number;
  readonly untilCaughtUp: boolean;
  /** Aborted if no event can be handled. */
  readonly failed?: AbortSignal;
}

async function run(
  { client, signal: interrupted, deadlineMs, err }: Context,
  handler: EventHandler,
  { group, member, concurrency, untilCaughtUp, failed }: Consumption,
): Promise<number> {
  // Fails at once if there is no gateway or no such group; later it waits for the gateway.
  await client.groups.get(group, { deadlineMs, signal: interrupted });
  const caughtUp = new AbortController();
  const say = (text: string): void => void err.line(`sluice: ${text}`);
  await client.consume(group, handler, {
    member,
    concurrency,
    stop: AbortSignal.any([interrupted, caughtUp.signal]),
    signal: failed,
    onCaughtUp() {
      if (untilCaughtUp) caughtUp.abort();
    },
    onFailed(error, { stream, version }) {
      say(`${stream} ${version.toString()}: ${error instanceof Error ? error.message : String(error)}`);
    },
    onRefused(error) {
      say(error.message);
    },
    onReconnect(error) {
      if (!(error instanceof GroupError)) say(`${error.message}; joining again`);
    },
  });
  return exitCode.ok;
}
