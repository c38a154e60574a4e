import {
  AccessDeniedError,
  GroupError,
  InternalError,
  type GroupState,
  type SluiceClient,
} from '../client/client';
import { groupLimits } from '../group-limits';
import type { Context } from './command';
import type { Finding } from './finding';
import { counted } from './counted';

const check = 'groups';
/** An event that is not settled after this time waits for something. */
const oldMs = 60_000;
/** Of a group without members. */
const lagMany = 1n;
/**
 * Streams of a lane that wait: at `lane_streams_waiting_max`, or at fewer with a small `max_payload` of NATS, the record of the lane is
 * full, and the lane takes nothing more.
 */
const waitingMany = 0.75 * groupLimits.laneStreamsWaitingMax;
const seeGroups = 'docs/groups.md';
/** `UNIMPLEMENTED`: the gateway is an older one. */
const unimplemented = 12;
const atATime = 8;

/** What doctor says of the consumer groups that the caller may see; empty without groups. */
export async function groupFindings(
  context: Pick<Context, 'client' | 'deadlineMs' | 'signal'>,
): Promise<Finding[]> {
  const states = await statesOf(context);
  if (states.length === 0) return [];
  const list = states.flatMap((state) => findingsOf(state, Date.now()));
  if (list.length > 0) return list;
  const message = `${counted(states.length, 'consumer group')}: nothing is older than ${oldMs / 1_000} s or parked`;
  return [{ check, level: 'ok', message }];
}

async function statesOf({
  client,
  deadlineMs,
  signal,
}: Pick<Context, 'client' | 'deadlineMs' | 'signal'>): Promise<GroupState[]> {
  const options = { deadlineMs, signal };
  const names: string[] = [];
  try {
    for await (const { name } of client.groups.list(options)) names.push(name);
  } catch (error) {
    if (error instanceof InternalError && error.status === unimplemented) return [];
    throw error;
  }
  const states: GroupState[] = [];
  const left = names.values();
  const worker = async (): Promise<void> => {
    for (const name of left) {
      const state = await stateOf(client, name, options);
      if (state !== undefined) states.push(state);
    }
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  return states.sort((a, b) => (a.group.name < b.group.name ? -1 : 1));
}

/** undefined: the group was deleted meanwhile, or the caller may manage it but not read it. */
async function stateOf(
  { groups }: SluiceClient,
  name: string,
  options: Pick<Context, 'deadlineMs' | 'signal'>,
): Promise<GroupState | undefined> {
  try {
    return await groups.get(name, options);
  } catch (error) {
    if (
      error instanceof AccessDeniedError ||
      (error instanceof GroupError && error.code === 'GROUP_NOT_FOUND')
    )
      return undefined;
    throw error;
  }
}

/** What of a group needs attention. */
export function findingsOf(state: GroupState, nowMs: number): Finding[] {
  const { group, lanes, members, lag, oldestTime, parkedCount } = state;
  const { name } = group;
  const list: Finding[] = [];
  const warn = (what: string, remedy: string): void => {
    list.push({ check, level: 'warn', message: `the consumer group ${name} ${what}`, remedy });
  };
  const ageMs = oldestTime === undefined ? 0 : nowMs - oldestTime.getTime();
  const behind = `${lag.toString()} positions behind`;
  if (members.length === 0 && lag >= lagMany)
    warn(`has no members and is ${behind}`, 'start a member, or delete the group');
  else if (ageMs > oldMs)
    warn(
      `is ${behind}; its oldest event without acknowledgement is ${ageText(ageMs)} old`,
      `see what its members do: sluice group get ${name}; ${seeGroups} has the causes`,
    );
  for (const { number, streamsWaiting } of lanes)
    if (streamsWaiting >= waitingMany)
      warn(
        `has ${counted(streamsWaiting, 'stream')} in lane ${number} that an event holds up which failed or is not settled; ` +
          'once the record of the lane cannot name more, the lane stands still',
        `let what fails be parked: sluice group update ${name} --attempts-max; ${seeGroups} has the bounds`,
      );
  if (parkedCount > 0)
    warn(`has ${counted(parkedCount, 'parked event')}`, `list them: sluice group parked ${name}`);
  return list;
}

function ageText(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 120) return counted(minutes, 'minute');
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? counted(hours, 'hour') : counted(Math.floor(hours / 24), 'day');
}
