interface Node {
  readonly tokens: Map<string, Node>;
  /** What follows `*`. */
  any: Node | undefined;
  /** A pattern ends here. */
  isEnd: boolean;
  /** A pattern goes on with `>`, which ends it. */
  hasRest: boolean;
}

/**
 * Patterns of stream names as a tree of their tokens, in NATS notation: `*` is one token, a final `>` one or more. A search visits no
 * node twice, so that its cost follows the tokens of what is searched rather than the number of patterns.
 */
export class PatternTree {
  private readonly root = emptyNode();

  constructor(patterns: Iterable<string> = []) {
    for (const pattern of patterns) this.set(pattern, true);
  }

  add(pattern: string): void {
    this.set(pattern, true);
  }

  remove(pattern: string): void {
    this.set(pattern, false);
  }

  private set(pattern: string, isThere: boolean): void {
    let node = this.root;
    for (const token of pattern.split('.')) {
      if (token === '>') {
        node.hasRest = isThere;
        return;
      }
      node = token === '*' ? (node.any ??= emptyNode()) : childOf(node, token);
    }
    node.isEnd = isThere;
  }

  /** Whether one pattern of the tree matches every name that this name or pattern matches. */
  contains(nameOrPattern: string): boolean {
    return isWithin(this.root, nameOrPattern, 0);
  }
}

/** `at`: where the next token begins; after the end of the text: there is no further token. */
function isWithin(node: Node, text: string, at: number): boolean {
  if (at > text.length) return node.isEnd;
  if (node.hasRest && at < text.length) return true;
  const dot = text.indexOf('.', at);
  const end = dot < 0 ? text.length : dot;
  const token = text.slice(at, end);
  // No token is `*` or `>`: a pattern is only contained in what is at least as wide.
  const next = node.tokens.get(token);
  if (next !== undefined && isWithin(next, text, end + 1)) return true;
  return node.any !== undefined && token !== '>' && token !== '' && isWithin(node.any, text, end + 1);
}

function childOf({ tokens }: Node, token: string): Node {
  const known = tokens.get(token);
  if (known !== undefined) return known;
  const child = emptyNode();
  tokens.set(token, child);
  return child;
}

function emptyNode(): Node {
  return { tokens: new Map(), any: undefined, isEnd: false, hasRest: false };
}

/** The patterns without those that another one contains. */
export function widest(patterns: Iterable<string>): string[] {
  const all = new Set(patterns);
  const tree = new PatternTree(all);
  return [...all].filter((pattern) => {
    tree.remove(pattern);
    const isContained = tree.contains(pattern);
    if (!isContained) tree.add(pattern);
    return !isContained;
  });
}
