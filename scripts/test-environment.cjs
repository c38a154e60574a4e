const { AsyncLocalStorage } = require('node:async_hooks');
const { TestEnvironment } = require('jest-environment-node');

const { run } = AsyncLocalStorage.prototype;

/**
 * Before Node.js 24, a value in an AsyncLocalStorage makes each promise of the process slower: tests took a third longer. Jest keeps
 * one for the name of the test, for snapshots, and to say in which test an error was thrown that nobody catches.
 */
AsyncLocalStorage.prototype.run = function (store, callback, ...args) {
  const isOfJest = typeof store === 'object' && store !== null && ('test' in store || 'hook' in store);
  return isOfJest ? callback(...args) : run.call(this, store, callback, ...args);
};

/** Multiplies the timeouts that tests and hooks have of their own by the patience of the run, see jest.config.js. */
module.exports = class extends TestEnvironment {
  handleTestEvent({ name, test, hook }) {
    const of = { test_start: test, hook_start: hook }[name];
    if (of?.timeout === undefined || of.isPatient) return;
    of.timeout *= Number(process.env.TEST_PATIENCE);
    of.isPatient = true;
  }
};
