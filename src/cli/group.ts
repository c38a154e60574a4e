import { suggestion } from '../config/nearest-name';
import { optionalNumber } from './arguments';
import { defineCommand, type Context } from './command';
import { exitCode, UsageError } from './failure';
import {
  checkOptions,
  groupOptions,
  groupVerbs,
  settingsOf,
  type GroupOptions,
  type GroupVerb,
} from './group-options';
import { withGivenKeys } from './keys-option';
import { printGroup, printGroupState, printParked } from './group-text';
import { reportNothing } from './nothing';
import { groupStartOf } from './start';
import { counted } from './counted';
import { noWords, one } from './words';

export const groupCommand = defineCommand({
  name: 'group',
  usage: 'VERB [GROUP]',
  verbs: groupVerbs,
  summary: 'Create, change, show or reset a consumer group, and what it has parked.',
  details:
    'The verbs are create, update, delete, list, get, reset, parked, replay and drop. "update" changes\n' +
    'the settings that are given and keeps the others; an empty --pattern or --type stands for all.\n' +
    '"reset" delivers everything from --from again. "parked" lists the events that the group has set\n' +
    'aside, "replay" lets it deliver them again, and "drop" removes them.\n' +
    'Columns of list: name, patterns, types, lanes. Of parked: position, stream, version, type,\n' +
    'attempts, state, reason.',
  options: groupOptions,
  plan({ words: [verb = '', ...words], given }) {
    if (!isVerb(verb))
      throw new UsageError(`group needs one of ${groupVerbs.join(', ')}${suggestion(verb, groupVerbs)}`);
    checkOptions(verb, given);
    if (verb === 'list') {
      noWords(words);
      return list(given);
    }
    return plans[verb](one(words, 'GROUP'), given);
  },
});

function isVerb(verb: string): verb is GroupVerb {
  return Object.hasOwn(plans, verb) || verb === 'list';
}

type Given = GroupOptions & { readonly json: boolean };
type Run = (context: Context) => Promise<number>;

const plans: Readonly<Record<Exclude<GroupVerb, 'list'>, (group: string, given: Given) => Run>> = {
  create(group, given) {
    const settings = settingsOf(given);
    const start = groupStartOf(given.from ?? '0');
    return async (context) => {
      const { client, err } = context;
      const result = await client.groups.create(group, { settings, start, ...callOf(context) });
      if (!result.created) await err.line(`sluice: ${group} exists already, with these settings`);
      await printGroup(context, result.group, given.json);
      return exitCode.ok;
    };
  },
  update(group, given) {
    const changed = settingsOf(given);
    if (Object.keys(changed).length === 0) throw new UsageError('update needs a setting to change');
    return async (context) => {
      const { groups } = context.client;
      const { settings, revision } = (await groups.get(group, callOf(context))).group;
      const options = { revision, ...callOf(context) };
      await printGroup(context, await groups.update(group, { ...settings, ...changed }, options), given.json);
      return exitCode.ok;
    };
  },
  delete(group, { force, json }) {
    return async (context) => {
      const existed = await context.client.groups.delete(group, { force, ...callOf(context) });
      const text = existed ? `${group} is deleted` : `there was no group ${group}`;
      await context.out.line(json ? JSON.stringify({ existed }) : text);
      return exitCode.ok;
    };
  },
  get(group, { json }) {
    return async (context) => {
      await printGroupState(context, await context.client.groups.get(group, callOf(context)), json);
      return exitCode.ok;
    };
  },
  reset(group, { from = '', force, json }) {
    const to = groupStartOf(from);
    return async (context) => {
      const reset = await context.client.groups.reset(group, to, { force, ...callOf(context) });
      if (json) await printGroup(context, reset, json);
      else await context.out.line(`${group} goes on after position ${reset.start.toString()}`);
      return exitCode.ok;
    };
  },
  parked(group, given) {
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    return withGivenKeys(given, async (context) => {
      const options = { stream: given.stream, maxCount, withEvents: given.events, ...callOf(context) };
      let found = false;
      for await (const parked of context.client.groups.listParked(group, options)) {
        found = true;
        await printParked(context, parked, given.json);
      }
      if (!found) await reportNothing(context, `${group} has no parked events`);
      return exitCode.ok;
    });
  },
  replay(group, { stream, version: text, json }) {
    const version = optionalNumber(text, '--version');
    return async (context) => {
      const { groups } = context.client;
      const count = await groups.replayParked(group, { stream, version, ...callOf(context) });
      await printCount(context, 'replaying', count, json);
      return exitCode.ok;
    };
  },
  drop(group, { stream, version: text, all, json }) {
    const version = optionalNumber(text, '--version');
    return async (context) => {
      const { groups } = context.client;
      const count = await groups.dropParked(group, { stream, version, all, ...callOf(context) });
      await printCount(context, 'dropped', count, json);
      return exitCode.ok;
    };
  },
};

function list({ 'max-count': text, json }: Given): Run {
  const maxCount = optionalNumber(text, '--max-count');
  return async (context) => {
    let found = false;
    for await (const group of context.client.groups.list({ maxCount, ...callOf(context) })) {
      found = true;
      await printGroup(context, group, json);
    }
    if (!found) await reportNothing(context, 'no groups were found');
    return exitCode.ok;
  };
}

async function printCount({ out }: Context, what: string, count: number, json: boolean): Promise<void> {
  await out.line(json ? JSON.stringify({ count }) : `${what} ${counted(count, 'event')}`);
}

function callOf({ deadlineMs, signal }: Context): Pick<Context, 'deadlineMs' | 'signal'> {
  return { deadlineMs, signal };
}
