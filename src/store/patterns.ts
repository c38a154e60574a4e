/** Patterns over stream names in NATS notation: `*` is one token, a final `>` one or more. */

/** Returns whether a name matches at least one of the patterns; without patterns, every name matches. */
export function patternMatcher(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.length === 0 || patterns.includes('>')) return () => true;
  const names = new Set(patterns.filter(isName));
  const wild = patterns.filter((pattern) => !isName(pattern)).map(toRegExp);
  return (name) => names.has(name) || wild.some((pattern) => pattern.test(name));
}

/** Whether a pattern is the name of one stream. */
export function isName(pattern: string): boolean {
  return !/[*>]/.test(pattern);
}

function toRegExp(pattern: string): RegExp {
  const tokens = pattern.split('.').map((token) => {
    if (token === '*') return '[^.]+';
    return token === '>' ? '.+' : token.replace(/[+]/g, '\\$&'); // the only character of a name that is special
  });
  return new RegExp(`^${tokens.join('\\.')}$`);
}
