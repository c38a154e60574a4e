/** Part of a sorted list: what stands at an offset and behind it, as much as the server gives at once. */
export interface NamePage {
  readonly names: readonly string[];
  /** The length of the whole list as it was then. */
  readonly total: number;
}

/**
 * The pages of a sorted list from the one on that has the first name behind `after`. The page to begin with is searched for,
 * so that a listing that begins late asks for few pages.
 *
 * The list may grow meanwhile, which moves names to later pages, never to earlier ones. So a page that began with a name up to
 * `after` still does so: nothing behind `after` is left out, but names may come twice, and some up to `after` come as well.
 */
export async function* pagesAfter(
  ask: (offset: number) => Promise<NamePage>,
  after: string,
): AsyncGenerator<readonly string[], void> {
  let page = await ask(0);
  const size = page.names.length;
  let offset = 0;
  let end = Math.ceil(page.total / Math.max(1, size)); // a page that does not begin with a name up to `after`
  for (let begin = 0; end - begin > 1 && !reachesBeyond(page, after);) {
    const middle = Math.floor((begin + end) / 2);
    const candidate = await ask(middle * size);
    const [first] = candidate.names;
    if (first === undefined || first > after) {
      end = middle;
    } else {
      begin = middle;
      page = candidate;
      offset = middle * size;
    }
  }
  while (page.names.length > 0) {
    yield page.names;
    offset += page.names.length;
    if (offset >= page.total) return;
    page = await ask(offset);
  }
}

function reachesBeyond({ names }: NamePage, after: string): boolean {
  const last = names.at(-1);
  return last === undefined || last > after;
}
