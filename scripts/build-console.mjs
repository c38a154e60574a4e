// Bundles src/console into dist/console: index.html, and files with hashed names in assets/; beside each text, its compressed copies,
// `.br` and `.gz`, so that no gateway compresses them. `--size` prints what a browser loads
// first, compressed.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, 'src/console');
const target = join(root, 'dist/console');
mkdirSync(join(root, 'dist'), { recursive: true });
// A gateway that starts meanwhile finds the old console, or the new one.
const making = mkdtempSync(join(root, 'dist/console-making-'));
const assets = join(making, 'assets');
mkdirSync(assets);
// A temporary folder is only for its owner; a gateway may run as somebody else.
chmodSync(making, 0o755);

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: { main: join(source, 'main.tsx'), style: join(source, 'console.css') },
  outdir: assets,
  entryNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome120', 'firefox121', 'safari17.4'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  loader: { '.woff2': 'file' },
  legalComments: 'linked',
  metafile: true,
  logLevel: 'warning',
});

const built = Object.keys(metafile.outputs).map((file) => file.replace(/^.*\/assets\//, ''));
const named = (pattern) => built.find((name) => pattern.test(name));
const icon = readFileSync(join(source, 'icon.svg'));
const iconName = `icon-${createHash('sha256').update(icon).digest('hex').slice(0, 8)}.svg`;
writeFileSync(join(assets, iconName), icon);
const bundled = ['preact', 'uplot', '@fontsource/ibm-plex-sans', '@fontsource/ibm-plex-mono'];
const licences = bundled.map(
  (name) => `${name}\n\n${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8')}`,
);
writeFileSync(join(assets, 'licenses.txt'), licences.join('\n\n'));
const html = readFileSync(join(source, 'index.html'), 'utf8')
  .replace('assets/main.js', `assets/${named(/^main-.*\.js$/)}`)
  .replace('assets/main.css', `assets/${named(/^style-.*\.css$/)}`)
  .replace('assets/icon.svg', `assets/${iconName}`);
writeFileSync(join(making, 'index.html'), html);
for (const entry of readdirSync(making, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  if (!entry.isFile() || extname(file) === '.woff2') continue; // which is compressed already
  const bytes = readFileSync(file);
  writeFileSync(`${file}.br`, brotliCompressSync(bytes));
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
}
rmSync(target, { recursive: true, force: true });
renameSync(making, target);

if (process.argv.includes('--size')) {
  const folder = join(target, 'assets');
  const files = [join(target, 'index.html'), ...readdirSync(folder).map((name) => join(folder, name))];
  let sum = 0;
  for (const file of files.filter((name) => !/\.(txt|br|gz)$/.test(name))) {
    const size = readFileSync(extname(file) === '.woff2' ? file : `${file}.br`).length;
    sum += size;
    console.log(`${size.toString().padStart(7)} ${file.slice(target.length + 1)}`);
  }
  console.log(`${sum.toString().padStart(7)} in all`);
}
