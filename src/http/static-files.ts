import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, relative, sep } from 'node:path';
import { safeHeaders, type Handler } from './http-server';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

/** Pages run what they bring along and nothing else, call only where they come from, and are shown in no other page. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

type Encoding = 'br' | 'gzip' | 'identity';

interface File {
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodies: { readonly identity: Buffer } & Readonly<Partial<Record<Encoding, Buffer | undefined>>>;
}

/** The endings of compressed copies, which are beside the files that they are of. */
const endings = { br: '.br', gzip: '.gz' } as const;

/**
 * Serves the files of a folder, which are read once, to GET and HEAD: `index.html` at the root, everything else under `assets/`, whose
 * names must change when their contents do. A file is compressed for callers that take it so if the folder has its copy `.br` or `.gz`.
 * Without the folder nothing is served.
 */
export function staticFiles(folder: string, route: string): Handler {
  const files = readFiles(folder);
  return {
    route,
    takes: (path) => files.has(path),
    serve(request, response) {
      const path = request.url?.split('?', 1)[0] ?? '';
      respond(request, response, files.get(path) as File);
      return Promise.resolve();
    },
  };
}

function readFiles(folder: string): ReadonlyMap<string, File> {
  const contents = new Map<string, Buffer>();
  for (const entry of entriesOf(folder))
    contents.set(relative(folder, entry).split(sep).join('/'), readFileSync(entry));
  const files = new Map<string, File>();
  for (const [path, identity] of contents) {
    if (Object.values(endings).some((ending) => path.endsWith(ending))) continue;
    const bodies = { identity, br: contents.get(path + endings.br), gzip: contents.get(path + endings.gzip) };
    files.set(path === 'index.html' ? '/' : `/${path}`, fileOf(path, bodies));
  }
  return files;
}

function entriesOf(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw cause;
  }
}

function fileOf(path: string, bodies: File['bodies']): File {
  const extension = extname(path);
  const type = types[extension] ?? 'application/octet-stream';
  const headers = {
    ...safeHeaders,
    ...(extension === '.html' ? { 'content-security-policy': pagePolicy } : {}),
    ...(path.startsWith('assets/') ? { 'cache-control': 'public, max-age=31536000, immutable' } : {}),
    vary: 'accept-encoding',
  };
  return { type, headers, bodies };
}

function respond({ method, headers }: IncomingMessage, response: ServerResponse, file: File): void {
  if (method !== 'GET' && method !== 'HEAD') {
    response.writeHead(405, {
      ...safeHeaders,
      allow: 'GET, HEAD',
      'content-type': 'text/plain; charset=utf-8',
    });
    response.end('only GET and HEAD\n');
    return;
  }
  const encoding = encodingOf(headers['accept-encoding'], file);
  const body = file.bodies[encoding] ?? file.bodies.identity;
  response.writeHead(200, {
    ...file.headers,
    ...(encoding === 'identity' ? {} : { 'content-encoding': encoding }),
    'content-type': file.type,
    'content-length': body.length,
  });
  response.end(method === 'HEAD' ? undefined : body);
}

/** Only encodings that the caller names without a weight: browsers do. */
function encodingOf(accepted: string | string[] | undefined, { bodies }: File): Encoding {
  const names = (accepted?.toString() ?? '').split(',').map((name) => name.trim());
  if (bodies.br !== undefined && names.includes('br')) return 'br';
  return bodies.gzip !== undefined && names.includes('gzip') ? 'gzip' : 'identity';
}
