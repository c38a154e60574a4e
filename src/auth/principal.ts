/** The name of a principal within its source, which may hold no space and nothing that a log would have to escape. */
const name = /^[A-Za-z0-9_.@+/:=-]{1,128}$/;
const source = /^[A-Za-z0-9_.-]{1,64}$/;

/** Sources that are not issuers: API tokens and client certificates. */
const sources = ['token', 'cert'];

/** Whether a text may follow `token:`, `cert:` or the name of an issuer in a principal. */
export function isPrincipalName(text: string): boolean {
  return name.test(text);
}

/** Whether a text may be the name of an issuer: it becomes the source of principals. */
export function isIssuerName(text: string): boolean {
  return source.test(text) && !sources.includes(text);
}

/** Whether a text is `<source>:<name>`, or `anonymous`. */
export function isPrincipal(text: string): boolean {
  const colon = text.indexOf(':');
  return (
    text === 'anonymous' ||
    (source.test(text.slice(0, Math.max(colon, 0))) && name.test(text.slice(colon + 1)))
  );
}
