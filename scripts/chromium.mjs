// Prints the path of a headless Chromium, with which the console is tested: CHROMIUM, if it is set, else one that it downloads from npm
// the first time. The package is pinned by its checksum, and brings along the libraries that a plain Debian does not have.
// Ends with code 2 if this platform has no such package.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

const name = '@sparticuz/chromium@153.0.0';
const integrity =
  'sha512-jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA==';

if (process.env.CHROMIUM) {
  console.log(process.env.CHROMIUM);
  process.exit(0);
}
if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error(`there is no Chromium for ${process.platform} ${process.arch} here: set CHROMIUM`);
  process.exit(2);
}

/** The fonts of the package, and those of the machine. */
const fontSettings = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`;

function fetchPackage(into) {
  const [file] = execFileSync('npm', ['pack', '--silent', name], { cwd: into, encoding: 'utf8' }).split('\n');
  const archive = join(into, file);
  const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (found !== integrity) throw new Error(`${name} is not as pinned: ${found}`);
  execFileSync('tar', ['-xzf', archive, '-C', into, 'package/bin']);
  return join(into, 'package/bin');
}

function unpack(bin, into) {
  writeFileSync(join(into, 'chromium'), brotliDecompressSync(readFileSync(join(bin, 'chromium.br'))));
  chmodSync(join(into, 'chromium'), 0o755);
  for (const part of ['al2023', 'fonts', 'swiftshader']) {
    const archive = join(into, `${part}.tar`);
    writeFileSync(archive, brotliDecompressSync(readFileSync(join(bin, `${part}.tar.br`))));
    execFileSync('tar', ['-xf', archive, '-C', into]);
    rmSync(archive);
  }
  writeFileSync(join(into, 'fonts.conf'), fontSettings);
  const wrapper = join(into, 'chromium-with-libraries');
  const lines = [
    '#!/bin/sh',
    '# The libraries of the machine come first: these are for one without them.',
    'here=$(dirname "$0")',
    'export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/lib"',
    'export FONTCONFIG_PATH="$here"',
    'exec "$here/chromium" "$@"',
  ];
  writeFileSync(wrapper, `${lines.join('\n')}\n`, { mode: 0o755 });
}

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sluice');
const folder = join(cache, 'chromium-153.0.0');
if (!existsSync(folder)) {
  mkdirSync(cache, { recursive: true });
  const making = mkdtempSync(join(cache, 'chromium-making-'));
  try {
    const made = join(making, 'chromium');
    mkdirSync(made);
    unpack(fetchPackage(making), made);
    renameSync(made, folder);
  } catch (error) {
    // Another process may have been faster.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}
console.log(join(folder, 'chromium-with-libraries'));
