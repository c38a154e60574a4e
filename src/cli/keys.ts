import { suggestion } from '../config/nearest-name';
import { keyCacheMs } from '../keys/key-limits';
import type { ListedSubject } from '../keys/key-store';
import type { Given } from './arguments';
import { defineCommand, type Context } from './command';
import { confirm } from './confirm';
import { CommandError, exitCode, UsageError } from './failure';
import { keysOptions, keysPlaceOf, openKeys, subjectOf, type KeysPlace } from './keys-option';
import { reportNothing } from './nothing';
import { paint } from './output';
import { noWords, one } from './words';

const verbs = ['list', 'show', 'forget'] as const;

const options = {
  ...keysOptions,
  yes: { kind: 'flag', help: 'Forget without asking.' },
  'dry-run': { kind: 'flag', help: 'Print what would be forgotten, and change nothing.' },
} as const;

type Options = Given<typeof options> & { readonly json: boolean };

export const keysCommand = defineCommand({
  name: 'keys',
  usage: 'VERB [SUBJECT]',
  verbs,
  summary: 'List, show or forget keys of data subjects; no gateway is called.',
  details:
    'The verbs are list, show and forget. "forget" destroys the key of a data subject for good: its\n' +
    'events stay, but nobody can read their payloads any more, in no copy of the store. On a terminal you\n' +
    'have to type the name of the subject. "list" and "show" print no keys.\n' +
    'Columns: subject, key or forgotten, id of the key, and when it was created or forgotten.',
  options,
  plan({ words: [verb = '', ...words], given }) {
    const known = verbs.find((name) => name === verb);
    if (known === undefined)
      throw new UsageError(`keys needs one of ${verbs.join(', ')}${suggestion(verb, verbs)}`);
    if (known !== 'forget' && (given.yes || given['dry-run']))
      throw new UsageError(`--${given.yes ? 'yes' : 'dry-run'} is not for ${known}`);
    const place = keysPlaceOf(given);
    if (place === undefined) throw new UsageError('--keys is missing');
    if (known === 'list') {
      noWords(words);
      return list(place, given);
    }
    return plans[known](place, subjectOf(one(words, 'SUBJECT'), 'SUBJECT'), given);
  },
});

type Run = (context: Context) => Promise<number>;

function list(place: KeysPlace, { json }: Options): Run {
  return async (context) => {
    await using keys = await openKeys(place);
    let found = false;
    for await (const subject of keys.list()) {
      context.signal.throwIfAborted();
      found = true;
      await printSubject(context, subject, json);
    }
    if (!found) await reportNothing(context, 'the key store has no subjects');
    return exitCode.ok;
  };
}

const plans: Readonly<Record<'show' | 'forget', (place: KeysPlace, subject: string, given: Options) => Run>> =
  {
    show(place, subject, { json }) {
      return async (context) => {
        await using keys = await openKeys(place);
        const found = await keys.describe(subject);
        if (found === undefined) throw unknown(subject);
        await printSubject(context, found, json);
        return exitCode.ok;
      };
    },
    forget(place, subject, given) {
      return async (context) => {
        await using keys = await openKeys(place);
        const found = await keys.describe(subject);
        if (found === undefined) throw unknown(subject);
        if (given['dry-run']) {
          if (found.key === undefined) await context.err.line(`sluice: ${subject} is forgotten already`);
          await printSubject(context, found, given.json);
          return exitCode.ok;
        }
        // After an interrupted command, this destroys what is left.
        if (found.key !== undefined && !given.yes) await confirm(context, warning(found), subject);
        const forgotten = (await keys.forget(subject)) ?? found;
        await printSubject(context, forgotten, given.json);
        await context.err.line(
          found.key === undefined
            ? `sluice: ${subject} was forgotten already`
            : `sluice: ${subject} is forgotten; other processes may use what they know for ${keyCacheMs / 1_000} s`,
        );
        return exitCode.ok;
      };
    },
  };

function unknown(subject: string): CommandError {
  return new CommandError(`the key store has never had a key of ${subject}; nothing was forgotten`);
}

function warning({ subject, key }: ListedSubject): string {
  const since = key === undefined ? '' : `, created ${key.createTime.toISOString()}`;
  return `This destroys the key of ${subject}${since}. Nobody will be able to read its events again.`;
}

/** A line for the key, and one for each that was forgotten. */
async function printSubject({ out }: Context, listed: ListedSubject, asJson: boolean): Promise<void> {
  const { subject, key, forgotten } = listed;
  if (asJson) {
    await out.line(JSON.stringify({ subject, key, forgotten }));
    return;
  }
  const rows = [
    ...forgotten.map(({ id, forgetTime }) => ['forgotten', id, forgetTime.toISOString()] as const),
    ...(key === undefined ? [] : [['key', key.id, key.createTime.toISOString()] as const]),
  ];
  for (const [state, id, time] of rows) {
    if (!out.isTerminal) await out.line([subject, state, id, time].join('\t'));
    else
      await out.line(
        paint('cyan', subject.padEnd(24)),
        '  ',
        paint(state === 'key' ? 'green' : 'yellow', state.padEnd(9)),
        `  ${id}  `,
        paint('dim', time),
      );
  }
}
