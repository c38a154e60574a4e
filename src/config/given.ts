import { parseArgs } from 'node:util';
import type { Given } from './contradictions';
import { suggestion } from './nearest-name';
import { flagOf, keys, neverEmpty, settings, variableOf, type Key, type Setting } from './settings';

export type Environment = Readonly<Record<string, string | undefined>>;

/** For the commands beside `serve`. */
export const commandVariables = { address: 'SLUICE_ADDRESS', tokenFile: 'SLUICE_TOKEN_FILE' } as const;
const otherVariables: readonly string[] = Object.values(commandVariables);

/** The settings of one source, and what is wrong with them. */
export interface Reading {
  readonly given: ReadonlyMap<Key, Given>;
  readonly problems: readonly string[];
}

export function readFlags(argv: readonly string[]): Reading {
  const given = new Map<Key, Given>();
  const problems: string[] = [];
  const byFlag = new Map(keys.map((key) => [flagOf(key), key]));
  const options = Object.fromEntries(
    [...byFlag].map(
      ([flag, key]) => [flag.slice(2), { type: isSwitch(key) ? 'boolean' : 'string' }] as const,
    ),
  );
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  let unknownAt = -2;
  for (const token of tokens) {
    if (token.kind === 'positional' && token.index !== unknownAt + 1) {
      problems.push('unexpected argument' + (token.value.includes('@') ? '' : ` "${token.value}"`));
    }
    if (token.kind !== 'option') continue;
    const key = byFlag.get(token.rawName);
    if (key === undefined) {
      problems.push(`unknown flag ${token.rawName}${suggestion(token.rawName, [...byFlag.keys()])}`);
      unknownAt = token.inlineValue === true ? -2 : token.index;
    } else if (given.has(key)) problems.push(`${token.rawName} is given twice`);
    else if (token.value === undefined && isSwitch(key))
      given.set(key, { text: 'true', name: token.rawName });
    else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('-'))) {
      problems.push(
        `${token.rawName} needs a value; write one that begins with "-" as ${token.rawName}=-...`,
      );
    } else given.set(key, { text: token.value, name: token.rawName });
  }
  return { given, problems };
}

function isSwitch(key: Key): boolean {
  return (settings[key] as Setting).isSwitch === true;
}

/** Kubernetes sets such variables in every pod for the services of its namespace: SLUICE_PORT for a service named sluice. */
const kubernetesVariable =
  /^SLUICE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

export function readVariables(env: Environment): Reading {
  const given = new Map<Key, Given>();
  const problems: string[] = [];
  const byVariable = new Map(keys.map((key) => [variableOf(key), key]));
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('SLUICE_') || text === undefined || otherVariables.includes(name)) continue;
    const key = byVariable.get(name);
    if (text === '') {
      if (key !== undefined && neverEmpty.includes(settings[key].group)) {
        problems.push(`${name} is set but empty: give it a value, or unset it`);
      }
    } else if (key !== undefined) given.set(key, { text, name });
    else if (!kubernetesVariable.test(name)) {
      problems.push(`unknown variable ${name}${suggestion(name, [...byVariable.keys()])}`);
    }
  }
  return { given, problems };
}
