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

/** Where grpcurl calls: the gateway's own port, which this page does not know if it was changed. */
const grpcPort = 50_051;

export function grpcurlLine({ method, request }: Commands, { host, hasToken }: Where): string {
  const token = hasToken ? '-H "authorization: Bearer $TOKEN" ' : '';
  const data = isEmpty(request) ? '' : `-d ${quoted(JSON.stringify(request))} `;
  return `grpcurl -plaintext ${token}${data}${host}:${grpcPort.toString()} sluice.v1.${method}`;
}

export function sluiceLine({ sluice }: Commands, { host, hasToken }: Where): string | undefined {
  if (sluice === undefined) return undefined;
  const token = hasToken ? ['--token-file', 'my.token'] : [];
  const address = host === '127.0.0.1' || host === 'localhost' ? [] : ['--address', host];
  return ['sluice', ...sluice.map(quoted), ...address, ...token].join(' ');
}

/** Where the commands go. */
export interface Where {
  readonly host: string;
  readonly hasToken: boolean;
}

function isEmpty(request: object): boolean {
  return Object.values(request).every((value) => value === undefined);
}
