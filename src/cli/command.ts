import type { SluiceClient } from '../client/client';
import { parseArguments, type Arguments, type Options } from './arguments';
import type { Output, Sink } from './output';

/** What a command works with. */
export interface Context {
  readonly client: SluiceClient;
  /** For calls that are answered once, and for reads as a whole; undefined: what the client has for each. */
  readonly deadlineMs: number | undefined;
  /** Aborted by Ctrl-C; every call of the client is given it. */
  readonly signal: AbortSignal;
  readonly stdin: NodeJS.ReadStream;
  /** Results, and nothing else. */
  readonly out: Output;
  /** Everything else. */
  readonly err: Output;
  /** Where `err` goes, for what is drawn over. */
  readonly errSink: Sink;
  /** Of this program. */
  readonly version: string;
}

/** A command, as the command line knows it. */
export interface Command {
  readonly name: string;
  /** What comes behind the name. */
  readonly usage: string;
  /** A line. */
  readonly summary: string;
  /** More of it, in lines of at most 96 characters. */
  readonly details: string;
  readonly options: Options;
  /** Parses its arguments, and gives what is to be done then. Throws UsageError. */
  readonly prepare: (argv: readonly string[]) => {
    readonly common: Arguments<typeof commonOptions>['given'];
    readonly run: (context: Context) => Promise<number>;
  };
}

interface Definition<O extends Options> {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly details: string;
  readonly options: O;
  /** Looks at the arguments before anything is opened, and gives what is to be done. Throws UsageError. */
  readonly plan: (input: Arguments<O>) => (context: Context) => Promise<number>;
}

/** What every command takes. */
export const commonOptions = {
  address: {
    kind: 'text',
    value: 'HOST[:PORT]',
    help: 'Where the gateway is. Default: SLUICE_ADDRESS, else 127.0.0.1; default port: 50051.',
  },
  tls: { kind: 'flag', help: 'TLS, with the authorities that Node.js knows.' },
  'tls-ca': { kind: 'text', value: 'FILE', help: 'TLS, with these authorities, PEM.' },
  'tls-cert': {
    kind: 'text',
    value: 'FILE',
    help: 'Certificate to show to the gateway, PEM; needs --tls-key.',
  },
  'tls-key': { kind: 'text', value: 'FILE', help: 'Private key of --tls-cert, PEM.' },
  timeout: {
    kind: 'text',
    value: 'SECONDS',
    help: 'How long a call may take, a read as a whole. Default: 15, but any time for a read.',
  },
  json: { kind: 'flag', help: 'Results as JSON, an object on each line.' },
  help: { kind: 'flag', help: 'Show this.' },
} as const satisfies Options;

type Common = typeof commonOptions;

/** A command with its options, and those of every command. */
export function defineCommand<O extends Options>(
  definition: Omit<Definition<O & Common>, 'options'> & { readonly options: O },
): Command {
  const options = { ...definition.options, ...commonOptions };
  return {
    ...definition,
    options,
    prepare(argv) {
      const input = parseArguments<O & Common>(argv, options);
      return { common: input.given, run: definition.plan(input) };
    },
  };
}
