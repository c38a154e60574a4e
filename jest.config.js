/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript', explicitResourceManagement: true }, target: 'es2022' },
        module: { type: 'commonjs' },
      },
    ],
  },
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // On two processors: tests wait for servers and timers more than they compute.
  maxWorkers: 3,
  testSequencer: '<rootDir>/scripts/longest-first.cjs',
  testTimeout: 60_000,
  reporters: ['default', '<rootDir>/scripts/jest-summary.cjs'],
};
