// Runs a TypeScript file of the project with arguments, compiled in memory like the tests.
const { readFileSync } = require('node:fs');
const { resolve } = require('node:path');
const { transformSync } = require('@swc/core');
const { transform } = require('../jest.config.js');

const [[, options]] = Object.values(transform);
require.extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    ...options,
    filename,
    sourceMaps: 'inline',
  });
  module._compile(code, filename);
};

const [file] = process.argv.splice(2, 1);
require(resolve(file));
