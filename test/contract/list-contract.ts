import { problemOf, type ContractStore, type Listed } from './contract-store';
import { plainEvents, put, range, type Taken } from './events';
import type { OpenContract } from './open';

/** Listings of names by pattern, in byte order, in parts. */
export function listContract(store: () => ContractStore, open: OpenContract): void {
  inByteOrder(open);
  byPattern(store);
  inParts(open);

  test('of what is no pattern is refused', async () => {
    for (const pattern of ['.', 'a..b', '>.a', 'a>', 'a*', '*a.b', 'a.>.b', 'ä', ' ', 'a'.repeat(201)])
      expect(await problemOf(store().list({ pattern }))).toEqual({
        reason: 'INVALID_REQUEST',
        fields: ['pattern'],
      });
    const call = store().list({ pattern: 'a b', after: 'a.*' });
    expect(await problemOf(call)).toEqual({ reason: 'INVALID_REQUEST', fields: ['pattern', 'after'] });
  });
}

function inByteOrder(open: OpenContract): void {
  test('gives all names in byte order, each with its head', async () => {
    await using store = await open();
    expect(await store.list({})).toEqual([]);
    const heads = new Map<string, Taken>();
    for (const stream of [
      'b',
      'a.b',
      'a-b',
      'a',
      'A',
      'a:b',
      '__proto__',
      'a.b.c',
      '10',
      '9',
      '~',
      'ab',
      'a.B',
    ])
      heads.set(stream, await put(store, stream, plainEvents(1)));
    for (const stream of ['a.b', '10', 'a.b']) heads.set(stream, await put(store, stream, plainEvents(2)));
    const listed = await store.list({});
    expect(listed.map(({ stream, version }) => [stream, Number(version)])).toEqual([
      ['10', 3],
      ['9', 1],
      ['A', 1],
      ['__proto__', 1],
      ['a', 1],
      ['a-b', 1],
      ['a.B', 1],
      ['a.b', 5],
      ['a.b.c', 1],
      ['a:b', 1],
      ['ab', 1],
      ['b', 1],
      ['~', 1],
    ]);
    for (const { stream, ...summary } of listed) {
      const { version, position, commitTime } = heads.get(stream) as Taken;
      expect(summary).toEqual({ version, position, commitTime, unreadable: false, hasControls: false });
    }
    expect(await store.list({ pattern: '>' })).toEqual(listed);
  });
}

function byPattern(store: () => ContractStore): void {
  test('takes a pattern over tokens', async () => {
    const names = [
      'lp',
      'lp.a',
      'lp.a.x',
      'lp.a.x.1',
      'lp.b',
      'lp.b.x',
      'lp.b.y',
      'lp.ab',
      'lpa.b',
      'x.lp.a',
    ];
    for (const stream of names) await store().append({ stream, events: plainEvents(1) });
    const list = async (pattern: string): Promise<string[]> => namesOf(await store().list({ pattern }));
    expect(await list('lp')).toEqual(['lp']);
    expect(await list('lp.>')).toEqual([
      ...['lp.a', 'lp.a.x', 'lp.a.x.1', 'lp.ab', 'lp.b', 'lp.b.x', 'lp.b.y'],
    ]);
    expect(await list('lp.*')).toEqual(['lp.a', 'lp.ab', 'lp.b']);
    expect(await list('lp.*.x')).toEqual(['lp.a.x', 'lp.b.x']);
    expect(await list('lp.*.*')).toEqual(['lp.a.x', 'lp.b.x', 'lp.b.y']);
    expect(await list('lp.*.>')).toEqual(['lp.a.x', 'lp.a.x.1', 'lp.b.x', 'lp.b.y']);
    expect(await list('lp.a.>')).toEqual(['lp.a.x', 'lp.a.x.1']);
    expect(await list('*.lp.a')).toEqual(['x.lp.a']);
    expect(await list('lp.none')).toEqual([]);
    expect(await list('lp.a.x.1.>')).toEqual([]);
    // More tokens than a name may have.
    expect(await list(`${Array.from({ length: 16 }, () => '*').join('.')}.>`)).toEqual([]);
  });
}

function inParts(open: OpenContract): void {
  test('goes on after a name, up to a count', async () => {
    await using store = await open();
    const names = range(1, 700).map((number) => `lc.${number % 7}.${number}`);
    await Promise.all(names.map((stream) => store.append({ stream, events: plainEvents(1) })));
    names.sort();
    const list = async (request: object): Promise<string[]> => namesOf(await store.list(request));
    expect(await list({})).toEqual(names);
    expect(await list({ maxCount: 1n })).toEqual(names.slice(0, 1));
    for (const maxCount of [255, 256, 257, 512, 513, 700, 701])
      expect(await list({ maxCount: BigInt(maxCount) })).toEqual(names.slice(0, maxCount));
    expect(await list({ after: names[299] })).toEqual(names.slice(300));
    expect(await list({ after: names[299], maxCount: 300n })).toEqual(names.slice(300, 600));
    expect(await list({ after: names[699] })).toEqual([]);
    // A name to go on after need not exist, nor match.
    expect(await list({ after: 'a' })).toEqual(names);
    expect(await list({ after: 'lc.3' })).toEqual(names.filter((name) => name > 'lc.3'));
    expect(await list({ after: 'z' })).toEqual([]);
    const three = names.filter((name) => name.startsWith('lc.3.'));
    expect(await list({ pattern: 'lc.3.*', after: three[10], maxCount: 5n })).toEqual(three.slice(11, 16));
    const parts: string[] = [];
    for (;;) {
      const part = await list({ after: parts.at(-1) ?? '', maxCount: 130n });
      if (part.length === 0) break;
      parts.push(...part);
    }
    expect(parts).toEqual(names);
  });
}

function namesOf(listed: readonly Listed[]): string[] {
  return listed.map(({ stream }) => stream);
}
