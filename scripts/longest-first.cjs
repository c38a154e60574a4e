const Sequencer = require('@jest/test-sequencer').default;

/** Folders with files that take a minute or more. If one of them began last, it would run alone. */
const longest = [
  'cluster',
  'acceptance',
  'bench',
  'faults',
  'backup',
  'contract',
  'deploy',
  'workers',
  'examples',
  'clients',
  'nats',
  'cli',
  'docs',
];

/** Begins with these folders, and in each with the file that jest would begin with: the slowest, else the largest. */
module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const rank = ({ path }) => {
      const at = longest.findIndex((folder) => path.includes(`/test/${folder}/`));
      if (path.endsWith('/history.test.ts')) return -1;
      return at < 0 ? longest.length : at;
    };
    return super.sort(tests).sort((a, b) => rank(a) - rank(b));
  }
};
