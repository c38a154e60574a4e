import { startSluice, type SluiceProcess } from '../cli/process';
import { freePorts } from './free-ports';
import { makeReplicaDir } from './replica-dir';

/** A gateway in its own process, which can be started again at the same address and on the same replica. */
export interface RestartableGateway extends AsyncDisposable {
  /** host:port */
  readonly address: string;
  readonly pid: number;
  /** Signals it, waits for its end, and starts it again, as another build if there is one; resolves with the exit code. */
  restart(signal: 'SIGTERM' | 'SIGKILL', main?: string): Promise<number | NodeJS.Signals>;
}

/** Starts it on a free port. `main` is the main.js of another build. */
export async function startRestartable(args: readonly string[], main?: string): Promise<RestartableGateway> {
  const [port] = await freePorts(1);
  const address = `127.0.0.1:${String(port)}`;
  const all = [`--listen=${address}`, `--replica-dir=${makeReplicaDir()}`, ...args];
  const start = async (build = main): Promise<SluiceProcess> => {
    const started = await startSluice(all, {}, undefined, { main: build });
    await started.serving();
    return started;
  };
  let gateway = await start();
  return {
    address,
    get pid() {
      return gateway.pid;
    },
    async restart(signal, build) {
      gateway.signal(signal);
      const code = await gateway.ended();
      gateway = await start(build);
      return code;
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  };
}
