const { AsyncLocalStorage } = require('node:async_hooks');
const vm = require('node:vm');
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

/** Stands for the context of the process, which has no object of its own. */
const contextOfProcess = {};
/** By file name: what it was compiled from, and its function with `module`, `exports`, `require` and so on. */
const compiled = new Map();
const ofPackage = /[/\\]node_modules[/\\](?!(?:@jest|jest[^/\\]*|expect|pretty-format)[/\\])/;
const { compileFunction } = vm;

/**
 * To load the gateway took two seconds of processor time in each test file. The test files of a process share packages therefore, and
 * what they compile of the project; each file runs its own instance of that.
 */
vm.compileFunction = function (source, parameters, options) {
  if (options?.parsingContext !== contextOfProcess)
    return compileFunction.call(this, source, parameters, options);
  const { filename, importModuleDynamically } = options;
  const known = compiled.get(filename);
  if (known?.source === source) return known.fn;
  const fn = ofPackage.test(filename)
    ? (module) => void (module.exports = require(filename))
    : compileFunction.call(this, source, parameters, { filename, importModuleDynamically });
  compiled.set(filename, { source, fn });
  return fn;
};

const listenersOf = () => process.eventNames().map((name) => [name, new Set(process.rawListeners(name))]);

/**
 * Runs tests in the context of the process, where code is faster and errors of Node.js are instances of Error, and removes what they
 * leave there. Multiplies the timeouts that tests and hooks have of their own by the patience of the run, see jest.config.js.
 */
module.exports = class extends TestEnvironment {
  #globals = Object.getOwnPropertyDescriptors(globalThis);
  #env = { ...process.env };
  #exit = process.exit;
  #listeners = new Map(listenersOf());

  constructor(config, context) {
    super(config, context);
    const { moduleMocker, fakeTimersModern } = this;
    this.global = globalThis;
    this.moduleMocker = new moduleMocker.constructor(globalThis);
    this.fakeTimersModern = new fakeTimersModern.constructor({
      config: config.projectConfig,
      global: globalThis,
    });
  }

  getVmContext() {
    return contextOfProcess;
  }

  handleTestEvent({ name, test, hook }) {
    const of = { test_start: test, hook_start: hook }[name];
    if (of?.timeout === undefined || of.isPatient) return;
    of.timeout *= Number(process.env.TEST_PATIENCE);
    of.isPatient = true;
  }

  async teardown() {
    await super.teardown();
    process.exit = this.#exit;
    for (const name of Object.keys(process.env)) if (!(name in this.#env)) delete process.env[name];
    Object.assign(process.env, this.#env);
    for (const [name, listeners] of listenersOf())
      for (const listener of listeners)
        if (!this.#listeners.get(name)?.has(listener)) process.removeListener(name, listener);
    for (const key of Reflect.ownKeys(globalThis))
      if (!(key in this.#globals)) Reflect.deleteProperty(globalThis, key);
    for (const key of Reflect.ownKeys(this.#globals)) {
      const before = this.#globals[key];
      if (before.configurable && 'value' in before) Object.defineProperty(globalThis, key, before);
    }
  }
};
