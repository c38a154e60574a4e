/** A page as commands: what a shell runs to get the same. */
export interface Commands {
  /** The method of the contract, for instance `EventStoreService/ReadStream`. */
  readonly method: string;
  readonly request: object;
  /** The words of `sluice` after its name; undefined: it has no such command. */
  readonly sluice: readonly string[] | undefined;
}

/** Shell words that need no quotes. */
const plain = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** One word for a POSIX shell. */
export function quoted(word: string): string {
  if (plain.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

export function grpcurlLine({ method, request }: Commands, { grpc, hasToken, hasTls }: Where): string {
  const security = hasTls ? '-cacert ca.pem' : '-plaintext';
  const token = hasToken ? '-H "authorization: Bearer $TOKEN" ' : '';
  const data = isEmpty(request) ? '' : `-d ${quoted(JSON.stringify(request))} `;
  return `grpcurl ${security} ${token}${data}${quoted(grpc)} sluice.v1.${method}`;
}

export function sluiceLine({ sluice }: Commands, { grpc, hasToken, hasTls }: Where): string | undefined {
  if (sluice === undefined) return undefined;
  const token = hasToken ? ['--token-file', 'my.token'] : [];
  const address = grpc === defaultAddress ? [] : ['--address', quoted(grpc)];
  const tls = hasTls ? ['--tls-ca', 'ca.pem'] : [];
  return ['sluice', ...sluice.map(quoted), ...address, ...tls, ...token].join(' ');
}

/** Where `sluice` calls without `--address`. */
const defaultAddress = '127.0.0.1:50051';

/** Where the commands go. */
export interface Where {
  /** host:port, or `unix:` and a path. */
  readonly grpc: string;
  readonly hasToken: boolean;
  readonly hasTls: boolean;
}

/** From the host of the page and where the gateway listens. `listens`: undefined if that is not known. */
export function grpcAddressOf(host: string, listens: string | undefined): string {
  if (listens?.startsWith('unix:') === true) return listens;
  const port = /:(\d+)$/.exec(listens ?? '')?.[1] ?? '50051';
  return `${host === 'localhost' ? '127.0.0.1' : host}:${port}`;
}

function isEmpty(request: object): boolean {
  return Object.values(request).every((value) => value === undefined);
}
