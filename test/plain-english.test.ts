import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Words that do not stand in Sluice, each with what is said instead: one word for one thing (docs/concepts.md), in the English
 * of a native reader.
 */
const banned: readonly (readonly [RegExp, string])[] = [
  [/\bsteps?\b/i, 'transaction (of several streams); "at once" or "atomically" for "in one step"'],
  [/\bquestions?\b/i, 'request'],
  [/\b(own|gateway's) (nats-server|NATS server)\b/i, 'embedded nats-server'],
  [/\b(nats-server|NATS server)s? of (its|their) own\b/i, 'embedded nats-server'],
  [/\bbeyond\b/i, 'after, above, more than'],
  [/\bbut for\b/i, 'except'],
  [/\banew\b/i, 'again'],
  [/\b(is|are|was|has|have|be) none\b/, 'say what is missing'], // "is None" is Python
  [/\btold\b/i, 'the subject gets, learns or reports it'],
  [/\bso (many|often|long)\b(?! as\b)/i, 'the number, or "as often as"'],
  [/\banswered\b/i, 'acknowledged (an append), served (a read)'],
  [/\b(taken|takes|took) (it |them |the commit )?in\b(?! (place|part|turn|time))/i, 'committed'],
  [/\bpass(ed|es|ing)? over\b/i, 'skipped'],
  [/\bshall\b/i, 'must, will'],
  [/\bwhoever\b/i, 'a reader that, anyone who'],
  [/(^|[.:*/#>|-] +)Who (?![^.?]*\?)[a-z]+/, 'name the subject: "A caller that ..."'],
  [/\bfor want of\b/i, 'because ... is missing'],
  [/\bno matter of\b/i, 'not about'],
  [/\bbest let\b/i, 'say what to do'],
  [/\bas good as\b/i, 'nearly'],
  [/\bmust not be any\b/i, 'must not exist'],
  [/\bin (its|their|the) stead\b/i, 'instead'],
  [/\bsteady ?map\b/i, 'compacting map'],
];

/** Not ours, or not prose: what other tools write, code of others, and this list. */
const exempt =
  /^(generated|findings|proto\/(google|grpc)|bench\/go)\/|^package-lock\.json$|^LICENSE$|plain-english\.test\.ts$/;

test('README, docs, contract, code and messages are in plain English', () => {
  const root = join(__dirname, '..');
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  })
    .toString()
    .split('\0')
    .filter(
      (file) => /\.(ts|mjs|cjs|md|proto|sh|json|py|go|rs|java)$|^\.ci\/run$/.test(file) && !exempt.test(file),
    );
  const found = files
    .filter((file) => existsSync(join(root, file)))
    .flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .flatMap((line, index) =>
          banned
            .filter(([word]) => word.test(line))
            .map(
              ([word, instead]) =>
                `${file}:${(index + 1).toString()} ${String(word)} -> ${instead}: ${line.trim()}`,
            ),
        ),
    );
  expect(found).toEqual([]);
});
