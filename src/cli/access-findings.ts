import type { GetServerInfoResponse, ReflectionMode } from '../client/client';
import type { Finding } from './finding';
import { counted } from './counted';

type Access = NonNullable<GetServerInfoResponse['access']>;
type AuthFile = NonNullable<Access['authFile']>;

const allStreamsMany = 5;
// As in findings.ts, not from the enum.
// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the compiler compares the number with the enum
const reflectionOn: ReflectionMode.ON = 1;
const check = 'access';
const seeSecurity = 'docs/operations/security.md';

/** What of the gateway is open, and to whom. */
export function accessFindings({ access }: GetServerInfoResponse, nowMs: number): Finding[] {
  if (access === undefined) return [];
  return [
    ...plainText(access),
    access.controlled ? controlled(access) : open(access),
    ...reflection(access),
    ...(access.authFile === undefined ? [] : authFile(access.authFile, nowMs)),
  ];
}

/** Whether the gateway shows this caller only a part of what doctor checks. */
export function isLimited({ access }: GetServerInfoResponse): boolean {
  return access?.controlled === true && access.authFile === undefined;
}

function plainText({ tls, local }: Access): Finding[] {
  if (tls || local) return [];
  const message = 'everyone on the network can read what is sent, credentials too: there is no TLS';
  return [{ check, level: 'warn', message, remedy: 'serve with --tls-cert and --tls-key' }];
}

function open({ local, clientCertificateRequired }: Access): Finding {
  if (local) {
    return {
      check,
      level: 'ok',
      message: 'every caller on this machine may do everything: there is no auth file',
    };
  }
  const whose = clientCertificateRequired ? 'every caller with a client certificate' : 'everyone';
  const message = `${whose} may do everything: there is no auth file`;
  return { check, level: 'warn', message, remedy: `serve with --auth-file; see ${seeSecurity}` };
}

function controlled(access: Access): Finding {
  const { principal } = access;
  if (access.authFile === undefined) {
    const message = `${principal} has no grant of admin, and the gateway shows the rest only to those that have it`;
    return { check, level: 'warn', message, remedy: 'run doctor with the credential of an administrator' };
  }
  const generation = access.authFile.generation.toString();
  return {
    check,
    level: 'ok',
    message: `generation ${generation} of the auth file decides; you are ${principal}`,
  };
}

function reflection({ controlled: isControlled, reflection: mode }: Access): Finding[] {
  if (!isControlled || mode !== reflectionOn) return [];
  const message = 'callers without a credential can ask for the services and messages (reflection)';
  return [{ check, level: 'warn', message, remedy: 'leave --reflection=on out' }];
}

function authFile(file: AuthFile, nowMs: number): Finding[] {
  const warn = (holds: boolean, message: string, remedy: string): Finding[] =>
    holds ? [{ check, level: 'warn', message, remedy }] : [];
  const { anonymousGrants, unusedRoles, tokensWithoutExpiry, tokensExpired, tokensExpiring } = file;
  return [
    ...broken(file),
    ...warn(
      anonymousGrants.length > 0,
      `callers without a credential may: ${anonymousGrants.join(', ')}`,
      'take the entry `anonymous` out of `principals`, unless you mean it',
    ),
    ...warn(
      file.allStreamsByDefault,
      'everyone with a credential, or with one of some issuer, has a grant on all streams (`>`)',
      'grant it to roles of few, not in `defaults` or `issuers`',
    ),
    ...warn(
      file.allStreamsPrincipals > allStreamsMany,
      `${file.allStreamsPrincipals} principals have a grant on all streams (\`>\`)`,
      'grant patterns of the streams that they need',
    ),
    ...warn(
      tokensWithoutExpiry > 0,
      `API tokens that never expire: ${tokensWithoutExpiry}`,
      'give each an `expires`, so that one that leaks ends by itself',
    ),
    ...tokensExpiring.flatMap((token) =>
      warn(true, expiry(token, nowMs), 'create its successor: sluice token create'),
    ),
    ...warn(
      tokensExpired > 0,
      `API tokens that have expired: ${tokensExpired}`,
      'take the entries out of the auth file',
    ),
    ...warn(
      unusedRoles.length > 0,
      `nobody has the roles ${unusedRoles.join(', ')}`,
      'take them out of the auth file',
    ),
  ];
}

function broken({ problems }: AuthFile): Finding[] {
  const [first] = problems;
  if (first === undefined) return [];
  const more = problems.length === 1 ? '' : ` and ${problems.length - 1} more`;
  const message = `the newest auth file, or what it names, is not in force: ${first}${more}`;
  return [{ check, level: 'fail', message, remedy: 'mend it, and check it with sluice auth check' }];
}

function expiry({ id, expiresTime }: AuthFile['tokensExpiring'][number], nowMs: number): string {
  const days = Math.ceil((Number(expiresTime?.seconds ?? 0n) * 1_000 - nowMs) / 86_400_000);
  return `the API token ${id} expires within ${counted(Math.max(1, days), 'day')}`;
}
