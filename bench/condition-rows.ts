import type { Job, PeerSettings, Row } from './peers';
import { inWords } from './run';

const prefix = 'bench-item';
/** Of each item, of which a tenth has the common tag as well. */
const itemEvents = 100;
/** Appends on conditions beside others, at which the processor has enough left for both. */
const besideRate = 100;

/** Stores the log with tags. */
export function taggedLog(events: number): Job {
  return { kind: 'fillTags', prefix, count: Math.max(1, events / itemEvents), events };
}

/**
 * Rows about tags and conditions. Callers have tags of their own, unless the row says so; an append that is refused although nobody
 * else has its tag ends the run.
 */
export function conditionRows({ taggedEvents, quick }: Pick<PeerSettings, 'taggedEvents' | 'quick'>): Row[] {
  const calls = (count: number): number => (quick ? 2 : count);
  const one = { callers: 1, callsEach: calls(1_500) };
  const many = { callers: 64, callsEach: calls(150) };
  const decide = (
    kind: Job['kind'],
    name: string,
    load: Pick<Job, 'callers' | 'callsEach' | 'beside' | 'besideKind' | 'rate'>,
  ): Pick<Row, 'unit' | 'job' | 'isTagged'> => ({
    unit: '/s',
    job: { kind, prefix: `bench-${name}`, ...load },
    isTagged: true,
  });
  const read: Job = {
    kind: 'tags',
    prefix,
    count: Math.max(1, taggedEvents / itemEvents),
    events: itemEvents / 10,
    stride: 7_919,
    callers: 1,
    callsEach: calls(500),
  };
  const by = `read of the 10 events of 2 tags, of 100 and of a tenth of ${inWords(taggedEvents)} events`;
  return [
    { what: `${by}, 1 caller`, unit: '/s', job: read, isTagged: true },
    {
      what: `${by}, 64 callers`,
      unit: '/s',
      job: { ...read, callers: 64, callsEach: calls(50) },
      isTagged: true,
    },
    { what: 'append on condition, 1 caller', ...decide('disjoint', 'one', one) },
    { what: 'append on condition, 64 callers', ...decide('disjoint', 'many', many) },
    { what: 'append on condition, 64 callers in a session', ...decide('disjointInSession', 'session', many) },
    {
      what: 'append on condition, 16 callers with one tag',
      ...decide('hot', 'hot', { callers: 16, callsEach: calls(25) }),
    },
    { what: 'append without a condition, 64 callers', ...decide('plain', 'plain', many) },
    {
      what: `append without a condition, 64 callers, beside ${besideRate} appends/s on conditions`,
      ...decide('plain', 'paced', { ...many, beside: 16, rate: besideRate }),
    },
    {
      what: 'append without a condition, 64 callers, beside 16 more such callers',
      ...decide('plain', 'more', { ...many, beside: 16, besideKind: 'plain' }),
    },
    {
      what: 'append without a condition, 64 callers, beside 16 callers on conditions',
      ...decide('plain', 'beside', { ...many, beside: 16 }),
    },
  ];
}
