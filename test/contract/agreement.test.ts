import fc from 'fast-check';
import { Consistency, Direction } from '../../generated/sluice/v1/event_store_service';
import { startNats } from '../support/nats-server';
import { newStore, openJetStream, openModel, openOverRpc } from './open';
import { operations, streams, type Operation } from './operations';
import { openLane, type Lane } from './run-lane';

/** Whatever is done, JetStream gives the answers of the model, directly and over gRPC, through two gateways each. */
const runs = 100;
/** A slow machine makes fewer runs. */
const timeMaxMs = 40_000;

/** At the end of a run: everything that there is. */
const lastLook: readonly Operation[] = [
  ...streams.flatMap((stream) => [
    wholeRead(stream, Direction.FORWARD),
    wholeRead(stream, Direction.BACKWARD),
  ]),
  { kind: 'list', via: 1, pattern: '>', after: '', maxCount: 0, includeDeleted: true },
  ...streams.map((stream): Operation => ({ kind: 'describe', via: 0, stream })),
  { kind: 'all', via: 0, direction: Direction.FORWARD, eventTypes: [], items: [], maxCount: 0 },
  { kind: 'follow', via: 1, items: [] },
  ...[0, 1, 2].map((correlation): Operation => ({
    kind: 'correlation',
    via: 1,
    correlation,
    eventTypes: [],
    maxCount: 0,
  })),
];

function wholeRead(stream: string, direction: Direction): Operation {
  return {
    kind: 'read',
    via: 0,
    stream,
    direction,
    consistency: Consistency.LEADER,
    lowest: 0,
    highest: 0,
    fromTime: undefined,
    toTime: undefined,
    eventTypes: [],
    maxCount: 0,
    pageEvents: 0,
  };
}

test(
  'JetStream and gRPC agree with the model in every answer',
  async () => {
    // Small messages, so that commits often lie in several.
    await using nats = await startNats({ maxPayloadBytes: 8 << 10 });
    const direct = newStore();
    const remote = newStore();
    await using directOne = await openJetStream(nats.url, {}, direct);
    await using directTwo = await openJetStream(nats.url, {}, direct);
    await using remoteOne = await openOverRpc(nats.url, {}, remote);
    await using remoteTwo = await openOverRpc(nats.url, {}, remote);
    let run = 0;
    const property = fc.asyncProperty(operations, async (chosen) => {
      run++;
      await using model = await openModel();
      const expected = await openLane([model], `r${run}`);
      const lanes: Record<string, Lane> = {
        jetStream: await openLane([directOne, directTwo], `r${run}`),
        gRPC: await openLane([remoteOne, remoteTwo], `r${run}`),
      };
      for (const [index, operation] of [...chosen, ...lastLook].entries()) {
        const answer = await expected.run(operation, index);
        for (const [name, lane] of Object.entries(lanes)) {
          expect({ name, operation, answer: await lane.run(operation, index) }).toEqual({
            name,
            operation,
            answer,
          });
        }
      }
    });
    // Without bias to the small: a short history shows little.
    await fc.assert(property, { numRuns: runs, unbiased: true, interruptAfterTimeLimit: timeMaxMs });
  },
  2 * timeMaxMs,
);
