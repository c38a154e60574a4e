const { TestEnvironment } = require('jest-environment-node');

/** Multiplies the timeouts that tests and hooks have of their own by the patience of the run, see jest.config.cjs. */
module.exports = class extends TestEnvironment {
  handleTestEvent({ name, test, hook }) {
    const of = { test_start: test, hook_start: hook }[name];
    if (of?.timeout === undefined || of.isPatient) return;
    of.timeout *= Number(process.env.SLUICE_TEST_PATIENCE);
    of.isPatient = true;
  }
};
