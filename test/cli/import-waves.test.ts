import type { NewEvent } from '../../src/client/client';
import type { ExportedCommit } from '../../src/cli/export-format';
import { wavesOf, type Step } from '../../src/cli/import-waves';

let ids = 0;
const event = (more: Partial<NewEvent> = {}): NewEvent => ({ type: 'A', id: `id-${ids++}`, ...more });
const on = (stream: string, ...events: NewEvent[]): ExportedCommit['appends'][number] => ({
  stream,
  firstVersion: 1n,
  events: events.length === 0 ? [event()] : events,
});
const lineBytes = 100;

/** How many commits each wave has. */
async function sizesOf(
  commits: ExportedCommit['appends'][],
  commitsMax = 256,
  bytes = lineBytes,
): Promise<number[]> {
  async function* steps(): AsyncGenerator<Step> {
    for (const [index, appends] of commits.entries()) {
      await Promise.resolve();
      yield { commit: { position: BigInt(index + 1), appends }, bytes: bytes * (index + 1) };
    }
  }
  const sizes: number[] = [];
  for await (const { commits: wave } of wavesOf(steps(), commitsMax)) sizes.push(wave.length);
  return sizes;
}

test.each<[string, ExportedCommit['appends'][], number[]]>([
  ['no commits', [], []],
  ['other streams', [[on('a')], [on('b')], [on('c')]], [3]],
  ['a stream again', [[on('a')], [on('b')], [on('a')], [on('c')]], [2, 2]],
  ['several streams in one step', [[on('a')], [on('b'), on('c')], [on('d')], [on('e')]], [1, 1, 2]],
  [
    'one correlation id',
    [[on('a', event({ correlationId: 'x' }))], [on('b', event({ correlationId: 'x' }))]],
    [1, 1],
  ],
  ['an effect', [[on('a', event({ id: 'x' }))], [on('b', event(), event({ causationId: 'x' }))]], [1, 1]],
  [
    'correlated with its first event',
    [[on('a', event({ id: 'x' }))], [on('b', event({ correlationId: 'x' }))]],
    [1, 1],
  ],
])('waves of %s', async (_, commits, sizes) => {
  expect(await sizesOf(commits)).toEqual(sizes);
});

test('waves are bounded in commits and in bytes', async () => {
  const commits = Array.from({ length: 5 }, (_, i) => [on(`s.${i}`)]);
  expect(await sizesOf(commits, 2)).toEqual([2, 2, 1]);
  expect(await sizesOf(commits, 256, 500_000)).toEqual([2, 2, 1]);
  expect(await sizesOf(commits, 256, 3_000_000)).toEqual([1, 1, 1, 1, 1]);
});
