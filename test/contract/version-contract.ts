import { problemOf, type ContractStore, type Head } from './contract-store';
import { plainEvents, put, recorded, type Taken } from './events';

const nothing: Head = { version: 0n, position: 0n, commitTime: undefined };

/** The head of a stream, now and then, and that streams do not get into each other's way. */
export function versionContract(store: () => ContractStore): void {
  test('is that of the last event, with position and time of the last commit', async () => {
    const stream = 'version.now';
    expect(await store().version(stream)).toEqual(nothing);
    const one = await put(store(), stream, plainEvents(3));
    expect(await store().version(stream)).toEqual(headOf(one));
    await store().append({ stream: 'version.foreign', events: plainEvents(5) });
    expect(await store().version(stream)).toEqual(headOf(one));
    const two = await put(store(), stream, plainEvents(1));
    expect(await store().version(stream)).toEqual({
      version: 4n,
      position: two.position,
      commitTime: two.commitTime,
    });
  });

  test('as of a time counts what was stored by then, inclusive', async () => {
    const stream = 'version.then';
    const one = await put(store(), stream, plainEvents(2));
    await store().append({ stream: 'version.foreign', events: plainEvents(1) });
    const two = await put(store(), stream, plainEvents(1));
    const three = await put(store(), stream, plainEvents(3));
    await store().append({ stream: 'version.foreign', events: plainEvents(1) });
    const asOf = (time: bigint): Promise<Head> => store().version(stream, time);
    expect(await asOf(0n)).toEqual(nothing);
    expect(await asOf(one.commitTime - 1n)).toEqual(nothing);
    expect(await asOf(one.commitTime)).toEqual(headOf(one));
    expect(await asOf(one.commitTime + 1n)).toEqual(headOf(one));
    expect(await asOf(two.commitTime - 1n)).toEqual(headOf(one));
    expect(await asOf(two.commitTime)).toEqual(headOf(two));
    expect(await asOf(three.commitTime - 1n)).toEqual(headOf(two));
    expect(await asOf(three.commitTime)).toEqual({ ...headOf(three), version: 6n });
    expect(await asOf(9_223_372_035_999_999_999n)).toEqual(headOf(three));
    expect(await store().version('version.never', three.commitTime)).toEqual(nothing);
  });

  test('of what is no stream is refused', async () => {
    for (const stream of ['', 'a..b', 'a.*', '>', 'ä', 'a b', 'a.b\r\n'])
      expect(await problemOf(store().version(stream))).toEqual({
        reason: 'INVALID_REQUEST',
        fields: ['stream'],
      });
    const late = store().version('version.now', 9_223_372_036_000_000_000n);
    expect(await problemOf(late)).toEqual({ reason: 'INVALID_REQUEST', fields: ['as_of'] });
  });

  isolation(store);
}

/** Names that begin or end alike, differ in case only, or mean something elsewhere. */
const names = [
  'iso',
  'iso.a',
  'iso.a.b',
  'iso.a.b.c',
  'iso.ab',
  'iso.a-b',
  'iso.a:b',
  'iso.A',
  'iso-a',
  'isola',
  'Iso',
  'a.iso',
  'es.iso',
  'es',
  'ix',
  '_INBOX.iso',
  '__proto__',
  'constructor',
  'toString.iso',
  '_:@=+~-',
  '-',
  '0',
  '1',
  '10',
  '0190f3a1-0000-7000-8000-000000000001',
  Array.from({ length: 16 }, () => 'a').join('.'),
  'n'.repeat(200),
  'n'.repeat(199),
];

function isolation(store: () => ContractStore): void {
  test('of each stream is its own, whatever the names', async () => {
    const commits = new Map<string, Taken[]>(names.map((stream) => [stream, []]));
    for (let round = 1; round <= 5; round++) {
      for (const [stream, own] of commits) {
        const before = BigInt(2 * (round - 1));
        own.push(await put(store(), stream, plainEvents(2, `${round}`), { expectedVersion: before }));
      }
    }
    for (const [stream, own] of commits) {
      const { events, ...head } = await store().read({ stream });
      const newest = own.at(-1) as Taken;
      expect(head).toEqual({ ...headOf(newest), version: 10n, end: 'complete' });
      expect(events).toEqual(
        own.flatMap((commit, round) =>
          plainEvents(2, `${round + 1}`).map((event, index) =>
            recorded(stream, BigInt(2 * round + index + 1), event, commit),
          ),
        ),
      );
      expect(await store().version(stream)).toEqual({ ...headOf(newest), version: 10n });
    }
    expect(await store().version('iso.a.b.c.d')).toEqual(nothing);
    expect(await store().version('is')).toEqual(nothing);
  });
}

function headOf({ version, position, commitTime }: Taken): Head {
  return { version, position, commitTime };
}
