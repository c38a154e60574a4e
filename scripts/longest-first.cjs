const Sequencer = require('@jest/test-sequencer').default;

/** Folders with files that take a minute and more. One of them that begins last would run alone. */
const longest = ['cluster', 'faults', 'nats', 'examples', 'acceptance', 'cli', 'docs'];

/** Begins with these folders, and in each with what jest itself would begin with: what took longest, else the largest. */
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
