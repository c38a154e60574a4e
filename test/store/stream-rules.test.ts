import fc from 'fast-check';
import { CommitRecord } from '../../generated/sluice/v1/event';
import {
  hiddenBy,
  noRules,
  rulesAfter,
  stateOf,
  type StreamControl,
  type StreamRules,
} from '../../src/store/stream-rules';
import {
  noVersion,
  position,
  unixNanos,
  version,
  versionAfter,
  type CommitId,
  type StreamName,
  type Version,
} from '../../src/store/values';
import type { Commit } from '../support/model-log';
import { descriptionOf, hiddenNow, lifecycleOf, rulesOf } from '../support/model-rules';

/** The rules, as one control after another changes them, say what a search through all commits of the model says. */

const stream = 'a' as StreamName;

/** A number of events to append, or a control. `before`: from the end of the stream, downwards. */
type Move = number | { readonly kind: 'truncate'; readonly below: bigint } | StreamControl;

const retention = fc.record({
  maxCount: fc.option(fc.bigInt({ min: 1n, max: 12n }), { nil: undefined }),
  maxAgeNanos: fc.option(fc.bigInt({ min: 1n, max: 30n }), { nil: undefined }),
});
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 5 }) },
  fc.record({ kind: fc.constant('truncate' as const), below: fc.bigInt({ min: 0n, max: 10n }) }),
  fc.record({ kind: fc.constant('retain' as const), retention }),
  fc.constant({ kind: 'delete' as const }),
  { weight: 1, arbitrary: fc.constant({ kind: 'tombstone' as const }) },
);

function controlOf(chosen: Exclude<Move, number>, at: Version): StreamControl {
  if (!('below' in chosen)) return chosen;
  const before = versionAfter(at, 1n - chosen.below);
  return { kind: 'truncate', before: before < 1n ? version(1n) : before };
}

function eventsFrom(first: Version, count: number): Commit['events'] {
  const events = Array.from({ length: count }, (_, index) => ({ version: first + BigInt(index) }));
  return CommitRecord.fromPartial({ events }).events;
}

class History {
  readonly commits: Commit[] = [];
  version = noVersion;
  rules: StreamRules = noRules;

  take(chosen: Move): void {
    if (typeof chosen !== 'number') {
      if (this.version === noVersion || (this.rules.isTombstoned && chosen.kind !== 'tombstone')) return;
      const control = controlOf(chosen, this.version);
      const before = this.rules;
      this.rules = rulesAfter(before, this.version, control);
      const changed = this.commit([], control);
      // The same object: nothing changes, and nothing is stored.
      if (this.rules === before) expect(rulesOf([...this.commits, changed])).toEqual(rulesOf(this.commits));
      else this.commits.push(changed);
      return;
    }
    if (this.rules.isTombstoned) return;
    this.commits.push(this.commit(eventsFrom(versionAfter(this.version, 1n), chosen), undefined));
    this.version = versionAfter(this.version, BigInt(chosen));
  }

  private commit(events: Commit['events'], control: StreamControl | undefined): Commit {
    const at = position(BigInt(this.commits.length + 1));
    return {
      id: '' as CommitId,
      stream,
      firstVersion: this.version + 1n,
      lastVersion: this.version + BigInt(events.length),
      position: at,
      time: unixNanos(at),
      events,
      ...(control !== undefined && { control }),
    };
  }
}

test('the newest rules are all that a reader needs', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(move, { minLength: 1, maxLength: 20, size: 'max' }), fc.nat(60), (moves, time) => {
      const history = new History();
      for (const chosen of moves) history.take(chosen);
      const { commits, rules, version: at } = history;
      if (commits.length === 0) return;
      const now = BigInt(time);
      const description = descriptionOf(stream, commits, now);
      const state = stateOf(rules, at);
      seen.add(state);
      expect([state, rules.firstVersion]).toEqual([description?.state, description?.rules.firstVersion]);
      const { firstVersion, fromTime = 0n } = hiddenBy(rules, at, now);
      const isHidden = hiddenNow(commits, () => now);
      const readable = commits.flatMap((commit) =>
        commit.events
          .map((event) => ({ commit, event }))
          .filter(({ event }) => event.version >= firstVersion && commit.time >= fromTime),
      );
      expect(readable).toEqual(
        commits.flatMap((commit) =>
          commit.events.filter((event) => !isHidden(commit, event)).map((event) => ({ commit, event })),
        ),
      );
      const first = readable[0]?.event.version ?? at + 1n;
      if (rules !== noRules) expect(lifecycleOf(commits, now)).toEqual({ state, firstVersion: first });
    }),
    { numRuns: 1_000 },
  );
  expect([...seen].sort()).toEqual(['active', 'deleted', 'tombstoned']);
});
