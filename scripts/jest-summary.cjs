const { relative } = require('node:path');

/** Test files that may skip in CI, relative to the project, with "/". Anything else that skips there is a failure. */
const maySkipInCi = [];

/** Ends jest's output with one line that a machine can read: `N passed, N failed[, N skipped]`. */
module.exports = class Summary {
  #rootDir;
  #error;

  constructor({ rootDir }) {
    this.#rootDir = rootDir;
  }

  onRunComplete(_contexts, results) {
    // A suite that could not even start has no failed test to count.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    if (process.env.CI === 'true') this.#refuseSkips(results.testResults);
    const line = `${results.numPassedTests} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}\n`;
    // Jest's own summary, global teardown and warnings come after every reporter.
    process.on('exit', () => process.stdout.write(line));
  }

  /** Jest asks for it after the run: an error fails the run, whatever the tests say. */
  getLastError() {
    return this.#error;
  }

  #refuseSkips(suites) {
    const skipping = suites
      .filter(({ skipped, numPendingTests, numTodoTests }) => skipped || numPendingTests + numTodoTests > 0)
      .map(({ testFilePath }) => relative(this.#rootDir, testFilePath).replaceAll('\\', '/'))
      .filter((file) => !maySkipInCi.includes(file));
    if (skipping.length === 0) return;
    this.#error = new Error(
      `skipped in CI, but not listed in scripts/jest-summary.cjs: ${skipping.join(', ')}`,
    );
    process.stderr.write(`${this.#error.message}\n`);
  }
};
