const { relative } = require('node:path');

/** Test files that may skip tests in CI, relative to the project, with "/". Any other skip there is a failure. */
const maySkipInCi = [
  'test/cluster/mixed-versions.test.ts', // in a clone without history
  'test/wire/cancelled-calls.test.ts', // before Node.js 24; CI runs it on the newest one
];

/** Ends the output of jest with a line `FAILED file: test` for each failed test, and `N passed, N failed[, N skipped]`. */
module.exports = class Summary {
  #rootDir;
  #error;

  constructor({ rootDir }) {
    this.#rootDir = rootDir;
  }

  onRunComplete(_contexts, results) {
    // A suite that could not start has no failed test to count.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests + results.numTodoTests;
    // With workers, tests that hold only for one process are left out; they run without.
    if (process.env.CI === 'true' && process.env.TEST_WORKERS === undefined)
      this.#refuseSkips(results.testResults);
    const line = `${results.numPassedTests} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}\n`;
    // The summary of jest, global teardown and warnings come after all reporters.
    const names = results.testResults.flatMap((suite) => this.#failuresOf(suite));
    if (this.#error !== undefined) names.push(`FAILED CI: ${this.#error.message}\n`);
    process.on('exit', () => process.stdout.write([...names, line].join('')));
  }

  /** Jest calls it after the run: an error fails the run, even if all tests passed. */
  getLastError() {
    return this.#error;
  }

  #failuresOf(suite) {
    const failed = suite.testResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName }) => fullName);
    if (suite.testExecError !== undefined) failed.push('could not start');
    return failed.map((name) => `FAILED ${this.#fileOf(suite)}: ${name}\n`);
  }

  #fileOf({ testFilePath }) {
    return relative(this.#rootDir, testFilePath).replaceAll('\\', '/');
  }

  #refuseSkips(suites) {
    const skipping = suites
      .filter(({ skipped, numPendingTests, numTodoTests }) => skipped || numPendingTests + numTodoTests > 0)
      .map((suite) => this.#fileOf(suite))
      .filter((file) => !maySkipInCi.includes(file));
    if (skipping.length === 0) return;
    this.#error = new Error(
      `skipped in CI, but not listed in scripts/jest-summary.cjs: ${skipping.join(', ')}`,
    );
  }
};
