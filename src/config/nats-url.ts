import type { z } from 'zod';

/** The parts of a list of NATS URLs. */
export interface NatsUrls {
  /** Without credentials. */
  readonly servers: readonly string[];
  /** Whether any URL begins with tls://. */
  readonly tls: boolean;
  /** The credentials of the URLs, which the package `nats` would ignore. */
  readonly login: NatsLogin | undefined;
}

export type NatsLogin =
  | { readonly kind: 'user'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string };

/** For zod: parses URLs such as `nats://user:password@host:4222,tls://token@host`. Issues never quote them. */
export function parseNatsUrls(text: string, context: z.core.$RefinementCtx<string>): NatsUrls {
  const servers: string[] = [];
  const logins = new Map<string, NatsLogin>();
  let tls = false;
  const issue = (message: string): void => {
    context.issues.push({ code: 'custom', message, input: text });
  };
  for (const [index, part] of text.split(',').entries()) {
    const ordinal = text.includes(',') ? ` (URL ${(index + 1).toString()})` : '';
    const url = toUrl(part.trim());
    if (url === undefined) {
      issue(`must be URLs such as nats://host:4222, comma-separated${ordinal}`);
      continue;
    }
    if (emptyLogin.test(part.trim())) issue(`has an empty user, password or token${ordinal}`);
    servers.push(`${url.protocol}//${url.host}`);
    tls ||= url.protocol === 'tls:';
    try {
      const login = loginOf(url);
      if (login !== undefined) logins.set(JSON.stringify(login), login);
    } catch {
      issue(`has credentials that are not percent-encoded${ordinal}`);
    }
  }
  if (logins.size > 1) issue('must not have different credentials in its URLs');
  return { servers, tls, login: [...logins.values()][0] };
}

/** Such as nats://me:@host, in which a secret was not filled in. */
const emptyLogin = /^(?:[a-z]+:\/\/)?(?::[^@/]*|[^@/]*:)?@/i;

/** A list of valid URLs, with `***` instead of their credentials. */
export function withoutCredentials(urls: string): string {
  return urls.replace(/(^|,\s*)([a-z]+:\/\/)?[^,\s]*@/g, '$1$2***@');
}

function toUrl(text: string): URL | undefined {
  const full = text.includes('://') ? text : `nats://${text}`;
  if (text === '' || !URL.canParse(full)) return undefined;
  const url = new URL(full);
  const isServer = url.hostname !== '' && ['', '/'].includes(url.pathname) && url.search + url.hash === '';
  return isServer && ['nats:', 'tls:'].includes(url.protocol) ? url : undefined;
}

function loginOf({ username, password }: URL): NatsLogin | undefined {
  const user = decodeURIComponent(username);
  if (password !== '') return { kind: 'user', user, password: decodeURIComponent(password) };
  return user === '' ? undefined : { kind: 'token', token: user };
}
