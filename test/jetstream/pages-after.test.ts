import fc from 'fast-check';
import { pagesAfter, type NamePage } from '../../src/jetstream/pages-after';

/** A sorted list on a server that gives `size` names at once, and that gets the names of `growth` before each question. */
class GrowingList {
  questions = 0;
  private readonly names: Set<string>;

  constructor(
    names: readonly string[],
    private readonly size: number,
    private readonly growth: readonly (readonly string[])[] = [],
  ) {
    this.names = new Set(names);
  }

  readonly ask = (offset: number): Promise<NamePage> => {
    for (const name of this.growth[this.questions] ?? []) this.names.add(name);
    this.questions++;
    const sorted = [...this.names].sort();
    return Promise.resolve({ names: sorted.slice(offset, offset + this.size), total: sorted.length });
  };

  async namesAfter(after: string): Promise<string[]> {
    const found: string[] = [];
    for await (const page of pagesAfter(this.ask, after)) {
      // As many questions as it likes must end somewhere.
      if (this.questions > 1_000) throw new Error('it never ends');
      found.push(...page.filter((name) => name > after));
    }
    return found;
  }
}

const name = fc.string({ unit: fc.constantFrom('a', 'b', '.', 'Z', '1'), minLength: 1, maxLength: 4 });
const names = fc.uniqueArray(name, { maxLength: 60 });
const size = fc.integer({ min: 1, max: 12 });
const after = fc.oneof(name, fc.constant(''));

test('all names behind the start, in order and once', () =>
  fc.assert(
    fc.asyncProperty(names, size, after, async (list, pageSize, start) => {
      const expected = list.filter((one) => one > start).sort();
      expect(await new GrowingList(list, pageSize).namesAfter(start)).toEqual(expected);
    }),
  ));

test('none of them is left out while others come into being', () =>
  fc.assert(
    fc.asyncProperty(
      names,
      size,
      after,
      fc.array(names, { maxLength: 12 }),
      async (list, pageSize, start, growth) => {
        const found = await new GrowingList(list, pageSize, growth).namesAfter(start);
        expect(found).toEqual(expect.arrayContaining(list.filter((one) => one > start)));
      },
    ),
  ));

test('a start near the end asks for few pages', async () => {
  const list = Array.from({ length: 10_000 }, (_, i) => `n${i.toString().padStart(5, '0')}`);
  for (const [start, most] of [
    ['n09990', 9],
    ['n04999', 9 + 50],
    ['n00005', 100],
    ['zzz', 9],
  ] as const) {
    const server = new GrowingList(list, 100);
    expect(await server.namesAfter(start)).toEqual(list.filter((one) => one > start));
    expect(server.questions).toBeLessThanOrEqual(most);
  }
});
