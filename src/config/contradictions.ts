import { isLoopbackAddress } from '../loopback';
import { brokenRelations, limitsInForce } from './limit-relations';
import { defaultLimits, type Limits } from '../limits';
import { socketPathOf } from './setting-values';
import { flagOf, settings, variableOf, type Group, type Key, type Values } from './settings';

/** A setting that was given: its text, and the name of its flag or variable. */
export interface Given {
  readonly text: string;
  readonly name: string;
}

export type AllGiven = ReadonlyMap<Key, Given>;

/** Settings that contradict each other: a line for each case, which names both. */
export function contradictions(given: AllGiven, values: Partial<Values>): string[] {
  const nameOf = (key: Key): string => given.get(key)?.name ?? flagOf(key);
  return [
    ...whichNats(given, values, nameOf),
    ...missing(given, nameOf),
    ...logins(given, values, nameOf),
    ...openToAll(given, values, nameOf),
    ...openHttp(given, values, nameOf),
    ...withoutNeed(given, values, nameOf),
    ...bounds(given, values),
  ];
}

type NameOf = (key: Key) => string;

/** A flag and its variable, for a setting that was not given. */
function both(key: Key): string {
  return `${flagOf(key)} (${variableOf(key)})`;
}

function whichNats(given: AllGiven, values: Partial<Values>, nameOf: NameOf): string[] {
  const givenOf = (group: Group): Key[] => [...given.keys()].filter((key) => settings[key].group === group);
  if (given.has('natsUrl')) {
    return givenOf('embedded').map(
      (key) => `${nameOf(key)} is for the embedded nats-server, which does not run with ${nameOf('natsUrl')}`,
    );
  }
  const problems = givenOf('nats').map(
    (key) => `${nameOf(key)} needs ${both('natsUrl')}: without it the gateway runs an embedded nats-server`,
  );
  if ((values.storeReplicas ?? 1) > 1) {
    problems.push(`${nameOf('storeReplicas')} above 1 needs ${both('natsUrl')} of a cluster`);
  }
  return problems;
}

const pairs: readonly (readonly [key: Key, needed: Key])[] = [
  ['tlsCert', 'tlsKey'],
  ['tlsKey', 'tlsCert'],
  ['tlsClientCa', 'tlsCert'],
  ['tlsClientCert', 'tlsClientCa'],
  ['natsTlsCert', 'natsTlsKey'],
  ['natsTlsKey', 'natsTlsCert'],
  ['natsPassword', 'natsUser'],
  ['natsPasswordFile', 'natsUser'],
];

function missing(given: AllGiven, nameOf: NameOf): string[] {
  return pairs
    .filter(([key, needed]) => given.has(key) && !given.has(needed))
    .map(([key, needed]) => `${nameOf(key)} needs ${both(needed)}`);
}

function logins(given: AllGiven, values: Partial<Values>, nameOf: NameOf): string[] {
  const names = (...keys: readonly Key[]): string[] => keys.filter((key) => given.has(key)).map(nameOf);
  const passwords = names('natsPassword', 'natsPasswordFile');
  const found = [
    ...names('natsUser', 'natsToken', 'natsTokenFile', 'natsCreds'),
    ...(values.natsUrl?.login === undefined ? [] : [`the credentials in ${nameOf('natsUrl')}`]),
  ];
  return [
    ...(given.has('natsUser') && passwords.length === 0
      ? [`${nameOf('natsUser')} needs ${both('natsPassword')} or ${both('natsPasswordFile')}`]
      : []),
    ...(passwords.length > 1 ? [`${passwords.join(' and ')} contradict each other: give one password`] : []),
    ...(found.length > 1 ? [`${found.join(' and ')} contradict each other: give one login for NATS`] : []),
  ];
}

/** What an address that other machines can reach leaves open must be allowed explicitly. */
function openToAll(given: AllGiven, values: Partial<Values>, nameOf: NameOf): string[] {
  const { listen, insecure } = values;
  if (listen === undefined || isLocal(listen) || insecure !== false) return [];
  const where = `${nameOf('listen')} (${listen}) is not loopback`;
  const otherwise = `listen on 127.0.0.1 or a Unix socket, or accept this with ${both('insecure')}`;
  return [
    ...(given.has('tlsCert') || given.has('tlsKey')
      ? []
      : [
          `${where}: plain text shows everyone on the network what is sent, credentials too. Give ` +
            `${flagOf('tlsCert')} and ${flagOf('tlsKey')}, ${otherwise}`,
        ]),
    ...(given.has('authFile') || requiresCertificate(given.has('tlsClientCa'), values)
      ? []
      : [
          `${where}: without authentication anyone who reaches it can read and write. Give ` +
            `${flagOf('authFile')}, or ${flagOf('tlsClientCa')} for callers with certificates only, ${otherwise}`,
        ]),
  ];
}

/** Calls over HTTP must open nothing that gRPC keeps closed. */
function openHttp(given: AllGiven, values: Partial<Values>, nameOf: NameOf): string[] {
  const { httpCalls, httpListen, insecure } = values;
  if (httpCalls !== 'on' || httpListen === undefined) return [];
  const needsCertificate = requiresCertificate(given.has('tlsClientCa'), values);
  const isOpen = !isLocal(httpListen) && !given.has('authFile') && insecure === false;
  return [
    ...(needsCertificate
      ? [
          `${nameOf('httpCalls')} (on) contradicts ${nameOf('tlsClientCa')}: over HTTP, no caller has a certificate`,
        ]
      : []),
    ...(isOpen
      ? [
          `${nameOf('httpCalls')} (on): without authentication anyone who reaches ${nameOf('httpListen')} ` +
            `(${httpListen}) can read and write. Give ${flagOf('authFile')}, or accept this with ${both('insecure')}`,
        ]
      : []),
  ];
}

/** Whether no caller is served without a client certificate: without an auth file, that is the authentication. */
export function requiresCertificate(hasClientCa: boolean, { tlsClientCert }: Partial<Values>): boolean {
  return hasClientCa && tlsClientCert !== 'optional';
}

function withoutNeed(given: AllGiven, values: Partial<Values>, nameOf: NameOf): string[] {
  const isSocket = values.listen !== undefined && socketPathOf(values.listen) !== undefined;
  const tls = (['tlsCert', 'tlsKey', 'tlsClientCa'] as const).filter((key) => isSocket && given.has(key));
  return [
    ...(given.has('logLevel') && given.has('logLevelFile')
      ? [`${nameOf('logLevel')} and ${nameOf('logLevelFile')} contradict each other: give one level`]
      : []),
    ...tls.map((key) => `${nameOf(key)} is for host:port: nothing leaves this machine by a Unix socket`),
    ...(values.recordPrincipal === true && !given.has('authFile')
      ? [`${nameOf('recordPrincipal')} needs ${both('authFile')}`]
      : []),
    ...(values.reflection === 'authenticated' && !given.has('authFile')
      ? [`${nameOf('reflection')} (authenticated) needs ${both('authFile')}`]
      : []),
  ];
}

/** Whether only this machine can reach it. Any name except localhost may resolve to an address that other machines reach. */
export function isLocal(address: string): boolean {
  if (socketPathOf(address) !== undefined) return true;
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return host === 'localhost' || isLoopbackAddress(host);
}

/** The limits among the given settings, except those with invalid values. */
export function givenLimits(given: AllGiven, values: Partial<Values>): Partial<Limits> {
  const keys = [...given.keys()].filter((key) => settings[key].group === 'limits');
  const usable = keys.filter((key) => values[key] !== undefined);
  return Object.fromEntries(usable.map((key) => [key, values[key]]));
}

function bounds(given: AllGiven, values: Partial<Values>): string[] {
  const limits = givenLimits(given, values);
  const inForce = limitsInForce(limits);
  const named = (key: keyof Limits): string => {
    const { name, text } = given.get(key as Key) ?? {
      name: flagOf(key as Key),
      text: `${inForce[key]} ${inForce[key] === defaultLimits[key] ? 'by default' : 'from other limits'}`,
    };
    return `${name} (${text})`;
  };
  return brokenRelations(limits)
    .filter(({ smaller, larger }) =>
      [smaller, larger].every((key) => !given.has(key as Key) || key in limits),
    )
    .map(({ smaller, larger }) => `${named(smaller)} must not be above ${named(larger)}`);
}
