import type { ConnectOptions, SluiceClient } from '../client/client';
import { parseArguments, type Arguments, type Options } from './arguments';
import type { Output, Sink } from './output';

/** What a command gets to run. */
export interface Context {
  readonly client: SluiceClient;
  /** Of the gateway, as gRPC takes it. */
  readonly address: string;
  /** How the client checks the gateway; undefined: plain text. */
  readonly tls: ConnectOptions['tls'];
  /** The deadline of each call; undefined: the client's default. */
  readonly deadlineMs: number | undefined;
  /** Aborted by Ctrl-C; for every call of the client. */
  readonly signal: AbortSignal;
  readonly stdin: NodeJS.ReadStream;
  /** Results only. */
  readonly out: Output;
  /** Everything else. */
  readonly err: Output;
  /** The stream behind `err`, for a progress bar. */
  readonly errSink: Sink;
  /** The version of this program. */
  readonly version: string;
}

/** A command of the command line. */
export interface Command {
  readonly name: string;
  /** Its arguments, as the help shows them after the name. */
  readonly usage: string;
  /** The words that its first argument can be, if there are only some. */
  readonly verbs?: readonly string[];
  /** One line. */
  readonly summary: string;
  /** More help, in lines of at most 100 characters. */
  readonly details: string;
  readonly options: Options;
  /** Parses the arguments and returns the function that runs the command. Throws UsageError. */
  readonly prepare: (argv: readonly string[]) => {
    readonly common: Arguments<typeof commonOptions>['given'];
    readonly run: (context: Context) => Promise<number>;
  };
}

interface Definition<O extends Options> {
  readonly name: string;
  readonly usage: string;
  readonly verbs?: readonly string[];
  readonly summary: string;
  readonly details: string;
  readonly options: O;
  /** Checks the arguments before anything is opened, and returns the function that runs the command. Throws UsageError. */
  readonly plan: (input: Arguments<O>) => (context: Context) => Promise<number>;
}

/** The options of every command. */
export const commonOptions = {
  address: {
    kind: 'text',
    value: 'HOST[:PORT]',
    help: 'The gateway, or unix:PATH. Default: SLUICE_ADDRESS, or 127.0.0.1; default port: 50051.',
  },
  'token-file': {
    kind: 'text',
    value: 'FILE',
    help: 'API token or JWT, only over TLS or on this machine. Default: SLUICE_TOKEN_FILE.',
  },
  tls: { kind: 'flag', help: 'Use TLS, with the default certificate authorities of Node.js.' },
  'tls-ca': { kind: 'text', value: 'FILE', help: 'Use TLS, with these certificate authorities (PEM).' },
  'tls-cert': {
    kind: 'text',
    value: 'FILE',
    help: 'Client certificate (PEM); needs --tls-key.',
  },
  'tls-key': { kind: 'text', value: 'FILE', help: 'Private key of --tls-cert (PEM).' },
  timeout: {
    kind: 'text',
    value: 'SECONDS',
    help: 'How long a call may take. Default: 15; reads have no time limit.',
  },
  json: { kind: 'flag', help: 'Print results as JSON, one object per line.' },
  help: { kind: 'flag', help: 'Print this help.' },
} as const satisfies Options;

type Common = typeof commonOptions;

/** A command with its own options and those of every command. */
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
