import { leadsForCertain } from '../../src/jetstream/log/leadership';

/** A server certainly leads a stream only while a majority replies to it. */

const seconds = (count: number): number => count * 1_000_000_000;

test.each([
  ['a server that is alone', 1, undefined, [], true],
  ['both followers answer', 3, 'n1', [0.2, 0.9], true],
  ['one of two answers', 3, 'n1', [30, 0.9], true],
  ['none of two answers', 3, 'n1', [3.1, 3.2], false],
  ['two of four answer', 5, 'n1', [0.1, 30, 30, 1], true],
  ['one of four answers', 5, 'n1', [0.1, 30, 30, 30], false],
  [
    'one of two has been silent since the leader was elected, the other one stopped',
    3,
    'n1',
    [0, 3.1],
    false,
  ],
  ['two of four have been silent, one answers', 5, 'n1', [0, 0, 30, 1], false],
  ['no follower is known', 3, 'n1', [], false],
  ['nobody leads', 3, undefined, [0.1, 0.1], false],
] as const)('%s', (_name, servers, leader, heard, expected) => {
  const replicas = heard.map((ago, i) => ({ name: `f${i.toString()}`, current: true, active: seconds(ago) }));
  const cluster = { ...(leader === undefined ? {} : { leader }), replicas };
  expect(leadsForCertain({ config: { name: 'EVENTS', num_replicas: servers }, cluster })).toBe(expected);
});
