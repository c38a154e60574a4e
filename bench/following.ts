import { startClients } from './clients';
import { streamName, type Operation } from './job';
import type { Row } from './measure';
import { prefill, type PlannedCommit } from './prefill';
import { calls, inWords, plural, runTable, type Run, type Table } from './run';
import { durability, startBenchGateway, startBenchNats } from './servers';
import type { Sizes } from './settings';

const eventsPerCommit = 100;

/** Subscriptions, and ordered consumers of the raw client on the same store. */
export function following(run: Run): Promise<Table | undefined> {
  const { settings, peaks } = run;
  const title = 'subscriptions';
  const about =
    `Durability: ${durability.interval}. Catch-up: Subscribe from the start until all events have arrived, decoded. Raw: an ` +
    'ordered consumer of the `nats` package that decodes the same messages, or the same number of messages with one event ' +
    'each, as in a store with one event per message. Delivery: from the call of the append until the subscriber has the ' +
    'event; callers is 1, p50 and p99 are of single deliveries, calls/s are deliveries. The subscribing process sends the ' +
    'appends at the fixed rate, whether responses arrive or not.';
  return runTable(run, { title, about, rows: rows(settings.sizes) }, async (use) => {
    await using nats = await startBenchNats('interval');
    await using gateway = await startBenchGateway({ name: title, nats, peaks });
    await prefill(nats.url, storedBefore(settings.sizes));
    await using clients = await startClients(1, gateway.address, nats.url);
    return await use({
      sides: [
        { label: 'gateway', clients, peer: 'generated' },
        { label: 'raw', clients, peer: 'raw' },
      ],
      settle: gateway.caughtUp,
    });
  });
}

/** Two categories in one log, one after the other, and one stream of each kind of commit between them. */
function* storedBefore(sizes: Sizes): Generator<PlannedCommit> {
  const streams = 100;
  for (let i = 0; i < catchUpEvents(sizes); i++) {
    yield { stream: streamName('singles', 0, i % streams), events: 1 };
    if (i % eventsPerCommit !== 0) continue;
    yield { stream: streamName('hundreds', 0, (i / eventsPerCommit) % streams), events: eventsPerCommit };
    yield { stream: streamName('stream', 0, 0), events: eventsPerCommit };
  }
}

/** Enough events to make the start of a subscription negligible. */
function catchUpEvents({ readEvents }: Sizes): number {
  return 5 * readEvents;
}

function rows(sizes: Sizes): Row[] {
  const events = catchUpEvents(sizes);
  const catchUp = (what: string, pattern: string, count = events, rawPattern = pattern): Row => {
    const operation = (of: string): Operation => ({ kind: 'catchUp', pattern: of, events: count });
    return {
      what: `catch-up of ${plural(count, 'event')}, ${what}`,
      callers: 1,
      callsEach: calls(3, sizes),
      events: count,
      operations: [operation(pattern), operation(rawPattern)],
    };
  };
  const hundreds = `category of ${eventsPerCommit}-event commits`;
  return [
    catchUp('category of single-event commits', 'singles.*'),
    catchUp(hundreds, 'hundreds.*'),
    catchUp(`${hundreds}; raw: single-event messages`, 'hundreds.*', events, 'singles.*'),
    catchUp(`one stream of ${eventsPerCommit}-event commits`, streamName('stream', 0, 0)),
    catchUp('the whole store', '>', 3 * events),
    delivery(sizes, 200, 1, 1_000),
    delivery(sizes, 1_000, 1, 3_000),
    delivery(sizes, 100, 100, 200),
    delivery(sizes, 1_000, 100, 500),
  ];
}

function delivery(sizes: Sizes, rate: number, subscribers: number, appends: number): Row {
  const streams = `delivery-${rate}-${subscribers}`;
  const operation: Operation = { kind: 'delivery', streams, rate, subscribers };
  return {
    what: `delivery of ${inWords(rate)} appends/s to ${plural(subscribers, 'subscriber')}`,
    callers: 1,
    callsEach: calls(appends, sizes),
    events: 1,
    operations: [operation, operation],
  };
}
