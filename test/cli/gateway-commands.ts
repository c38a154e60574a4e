import { connect, type SluiceClient } from '../../src/client/client';
import { startTestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import { runSluice, startSluice, type SluiceProcess } from './process';

/** A gateway with its own store, the commands of `sluice` against it, and a client. */
export interface CommandGateway extends AsyncDisposable {
  readonly address: string;
  readonly nats: TestNats;
  readonly client: SluiceClient;
  /** Runs a command to its end. */
  run(
    args: readonly string[],
    input?: string | Uint8Array,
  ): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }>;
  /** Runs a command that must succeed; resolves with its output. */
  output(args: readonly string[], input?: string | Uint8Array): Promise<string>;
  /** Runs a command that must succeed with --json; resolves with the objects that it prints. */
  json(args: readonly string[], input?: string | Uint8Array): Promise<Record<string, unknown>[]>;
  /** Starts a command without waiting for its end. */
  start(args: readonly string[]): Promise<SluiceProcess>;
}

export async function startCommandGateway(): Promise<CommandGateway> {
  const nats = await startNats();
  const gateway = await startTestGateway([nats.url]);
  const client = connect(gateway.address);
  const env = { SLUICE_ADDRESS: gateway.address };
  const run: CommandGateway['run'] = (args, input) => runSluice(args, env, input);
  const output: CommandGateway['output'] = async (args, input) => {
    const { code, stdout, stderr } = await run(args, input);
    if (code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  };
  return {
    address: gateway.address,
    nats,
    client,
    run,
    output,
    json: async (args, input) => linesOf(await output([...args, '--json'], input)),
    start: (args) => startSluice(args, env),
    async [Symbol.asyncDispose]() {
      client.close();
      await gateway[Symbol.asyncDispose]();
      await nats[Symbol.asyncDispose]();
    },
  };
}

/** The objects of NDJSON. */
export function linesOf(text: string): Record<string, unknown>[] {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('the last line has no line feed');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
