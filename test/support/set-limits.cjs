// Loaded into a gateway, with --require: sets limits that have no flag, to those that the variable LIMITS has as JSON.
const { basename, dirname, join } = require('node:path');

const [, program] = process.argv;
// Its workers get the limits from it.
if (basename(program ?? '') === 'main.js') {
  const path = join(dirname(program), 'config', 'config.js');
  const { loadConfig, ...others } = require(path);
  // Exports cannot be assigned to; what is loaded later gets this object.
  require.cache[path].exports = {
    ...others,
    loadConfig: (...given) => {
      const loaded = loadConfig(...given);
      return { ...loaded, limits: { ...loaded.limits, ...JSON.parse(process.env.LIMITS) } };
    },
  };
}
