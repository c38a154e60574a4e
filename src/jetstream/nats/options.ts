/** How to reach NATS. Parsed and checked by config.ts; paths are read here when connecting. */
export interface NatsOptions {
  /** At least one URL, for instance "nats://127.0.0.1:4222". */
  readonly servers: readonly string[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  /** Path of a NATS credentials file. */
  readonly credsFile: string | undefined;
  /** undefined: TLS only if the server or the URL asks for it, with the system's authorities. */
  readonly tls: NatsTlsOptions | undefined;
  /** How long start-up tries to reach NATS before it gives up. */
  readonly connectTimeoutMs: number;
  /** Connections that carry appends and single questions. */
  readonly appendConnections: number;
  /** Connections that carry reads. */
  readonly readConnections: number;
}

export interface NatsTlsOptions {
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** Which store to serve; refused if it is set otherwise. */
export interface StoreOptions {
  /** Name of the JetStream stream, for instance "EVENTS". */
  readonly name: string;
  /** First token of its subjects, for instance "es". */
  readonly prefix: string;
  readonly replicas: number;
  /** So many messages may be gone from it, see LogHealth; none unless it is given. */
  readonly lostMessagesAccepted?: number;
}
