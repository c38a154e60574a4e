import { PatternTree } from './pattern-tree';

/** Patterns over stream names in NATS notation: `*` is one token, a final `>` one or more. */

/** Which streams a read over several of them is about. */
export interface StreamSelection {
  /** ">": all streams; an empty list: no stream. */
  readonly patterns: readonly string[];
  /** Patterns; other streams are left out as if they did not exist. Absent: no stream is left out. */
  readonly visible?: readonly string[] | undefined;
}

type Matches = (name: string) => boolean;

/** Whether a read selects the stream. */
export function streamMatcher({ patterns, visible }: StreamSelection): Matches {
  const isAsked = patternMatcher(patterns);
  if (visible === undefined) return isAsked;
  const isVisible = patternMatcher(visible);
  return patterns.includes('>') ? isVisible : (name) => isAsked(name) && isVisible(name);
}

/** A few patterns are faster as regular expressions. */
const expressionsMax = 16;

const trees = new WeakMap<readonly string[], Matches>();

/**
 * Returns whether a name matches at least one of the patterns; without patterns, no name does. The time for one name does not
 * grow with the number of patterns. A long list must not change afterwards: thousands of subscriptions share its matcher.
 */
export function patternMatcher(patterns: readonly string[]): Matches {
  if (patterns.includes('>')) return () => true;
  if (patterns.length > expressionsMax) return treeMatcher(patterns);
  const names = new Set(patterns.filter(isName));
  const wild = patterns.filter((pattern) => !isName(pattern)).map(toRegExp);
  return (name) => names.has(name) || wild.some((pattern) => pattern.test(name));
}

/** Whether a pattern is the name of one stream. */
export function isName(pattern: string): boolean {
  return !/[*>]/.test(pattern);
}

/** Whether there are names that match both patterns. */
export function overlap(a: string, b: string): boolean {
  if (a === b || a === '>' || b === '>') return true;
  const [left, right] = [a.split('.'), b.split('.')];
  for (const [index, token] of left.entries()) {
    const other = right[index];
    if (other === undefined) return false;
    if (token === '>' || other === '>') return true;
    if (token !== other && token !== '*' && other !== '*') return false;
  }
  return left.length === right.length;
}

function toRegExp(pattern: string): RegExp {
  const tokens = pattern.split('.').map((token) => {
    if (token === '*') return '[^.]+';
    return token === '>' ? '.+' : token.replace(/[+]/g, '\\$&'); // the only character of a name that is special
  });
  return new RegExp(`^${tokens.join('\\.')}$`);
}

function treeMatcher(patterns: readonly string[]): Matches {
  let matches = trees.get(patterns);
  if (matches === undefined) {
    const tree = new PatternTree(patterns);
    matches = (name) => tree.contains(name);
    trees.set(patterns, matches);
  }
  return matches;
}
