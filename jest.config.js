/** @type {(syntax: object) => [string, object]} */
const swc = (parser) => ['@swc/jest', { jsc: { parser, target: 'es2022' }, module: { type: 'commonjs' } }];

// How many times as long as they say tests and `until` wait, only to tell what hangs: more in CI, where a machine may be slow.
process.env.TEST_PATIENCE ??= '1';

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: '<rootDir>/scripts/test-environment.cjs',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  transform: {
    '^.+\\.ts$': swc({ syntax: 'typescript', explicitResourceManagement: true }),
    // Only ES modules, which Node.js can `require`, but jest cannot before Node.js 24.9.
    '/node_modules/jose/.+\\.js$': swc({ syntax: 'ecmascript' }),
  },
  // `import()` in src/ names the file as it is built.
  moduleNameMapper: { '^(\\./auth/.+|\\.\\./keys/.+)\\.js$': '$1' },
  transformIgnorePatterns: ['/node_modules/(?!jose/)'],
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // On two processors: tests wait for servers and timers more than they compute.
  maxWorkers: 3,
  testSequencer: '<rootDir>/scripts/longest-first.cjs',
  testTimeout: 60_000 * Number(process.env.TEST_PATIENCE),
  reporters: ['default', '<rootDir>/scripts/jest-summary.cjs'],
};
