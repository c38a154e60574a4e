"use strict";
/** Patterns over stream names in NATS notation: `*` is one token, a final `>` one or more. */
Object.defineProperty(exports, "__esModule", { value: true });
exports.patternMatcher = patternMatcher;
exports.isName = isName;
exports.coverOf = coverOf;
/** Tells whether a name matches at least one of the patterns; none: every name does. */
function patternMatcher(patterns) {
    if (patterns.length === 0 || patterns.includes('>'))
        return () => true;
    const names = new Set(patterns.filter(isName));
    const wild = patterns.filter((pattern) => !isName(pattern)).map(toRegExp);
    return (name) => names.has(name) || wild.some((pattern) => pattern.test(name));
}
/** Whether a pattern is the name of one stream. */
function isName(pattern) {
    return !/[*>]/.test(pattern);
}
function toRegExp(pattern) {
    const tokens = pattern.split('.').map((token) => {
        if (token === '*')
            return '[^.]+';
        return token === '>' ? '.+' : token.replace(/[+]/g, '\\$&'); // no other character of a name is special
    });
    return new RegExp(`^${tokens.join('\\.')}$`);
}
/** One pattern that matches whatever one of these does, as narrow as their common beginning allows. */
function coverOf(patterns) {
    const [only = '>', ...more] = new Set(patterns);
    if (more.length === 0)
        return only;
    const first = only.split('.');
    const others = more.map((pattern) => pattern.split('.'));
    const common = [];
    for (const [index, token] of first.entries()) {
        if (token === '>' || others.some((other) => other[index] !== token))
            break;
        common.push(token);
    }
    // "a" and "a.b" have nothing in common that ">" could follow: it stands for at least one token.
    const shortest = Math.min(first.length, ...others.map(({ length }) => length));
    return [...common.slice(0, shortest - 1), '>'].join('.');
}
