/**
 * Tests start hundreds of gateways and commands, and half of the processor time of a start went into finding, reading and compiling
 * a thousand modules. `node --require fast-start.cjs main.js` takes these from one file beside the build, compiled already; what is not
 * in it is loaded as usual. `node fast-start.cjs FILE MODULE...` makes the file from what the modules load.
 */
const {
  closeSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} = require('node:fs');
const Module = require('node:module');
const { dirname, join } = require('node:path');
const vm = require('node:vm');

const { _resolveFilename: resolve } = Module;
const { _compile: compile } = Module.prototype;
const keyOf = (request, parent) => `${request}\n${parent?.path}`;

/** Runs a compiled module, as Node.js does. */
function run(module, script) {
  const { filename, exports } = module;
  const require = Object.assign((id) => module.require(id), {
    resolve: (request, options) => Module._resolveFilename(request, module, false, options),
    cache: Module._cache,
    extensions: Module._extensions,
    main: process.mainModule,
  });
  script.runInThisContext().call(exports, exports, require, module, filename, dirname(filename));
}

function make(file, modules) {
  const resolved = {};
  const scripts = [];
  Module._resolveFilename = function (request, parent, ...more) {
    const found = resolve.call(this, request, parent, ...more);
    if (parent?.path !== undefined && !Module.isBuiltin(request)) resolved[keyOf(request, parent)] = found;
    return found;
  };
  Module.prototype._compile = function (content, filename, ...more) {
    // A script of its own could not import.
    if (more[0] === 'module' || /\bimport\(/.test(content))
      return compile.call(this, content, filename, ...more);
    const source = Module.wrap(content);
    const script = new vm.Script(source, { filename });
    scripts.push({ filename, script, source: Buffer.from(source) });
    return run(this, script);
  };
  for (const module of modules) require(module);
  const making = `${file}.${process.pid}`;
  const out = openSync(making, 'w');
  const places = {};
  let at = 0;
  for (const { filename, script, source } of scripts) {
    // With the functions that ran until now.
    const code = script.createCachedData();
    for (const bytes of [source, code]) writeSync(out, bytes);
    places[filename] = [at, source.length, code.length];
    at += source.length + code.length;
  }
  closeSync(out);
  renameSync(making, file);
  writeFileSync(making, JSON.stringify({ resolved, places }));
  renameSync(making, `${file}.json`);
}

function use(file) {
  let index;
  try {
    index = JSON.parse(readFileSync(`${file}.json`, 'utf8'));
  } catch {
    return; // it has not been made yet
  }
  const { resolved, places } = index;
  const input = openSync(file, 'r');
  Module._resolveFilename = function (request, parent, isMain, options) {
    const known = options === undefined ? resolved[keyOf(request, parent)] : undefined;
    return known ?? resolve.call(this, request, parent, isMain, options);
  };
  const load = Module._extensions['.js'];
  Module._extensions['.js'] = function (module, filename) {
    const place = places[filename];
    if (place === undefined) return load.call(this, module, filename);
    const [at, sourceBytes, codeBytes] = place;
    const bytes = Buffer.allocUnsafeSlow(sourceBytes + codeBytes);
    readSync(input, bytes, 0, bytes.length, at);
    const source = bytes.toString('utf8', 0, sourceBytes);
    run(module, new vm.Script(source, { filename, cachedData: bytes.subarray(sourceBytes) }));
  };
}

/** Beside the sources of the build; only for the version of Node.js that compiled it. */
const fileFor = (main) => join(dirname(main), '..', `start-${process.version}`);

if (require.main === module) {
  const [main, ...modules] = process.argv.slice(2);
  make(
    fileFor(main),
    modules.map((name) => join(dirname(main), name)),
  );
  process.exit(0);
}
use(fileFor(process.argv[1] ?? ''));
