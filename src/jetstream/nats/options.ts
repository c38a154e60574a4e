/** How to reach NATS. Paths are read when connecting. */
export interface NatsOptions {
  /** At least one URL, such as "nats://127.0.0.1:4222". */
  readonly servers: readonly string[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  /** Path of a NATS credentials file. */
  readonly credsFile: string | undefined;
  /** undefined: TLS only if the server or the URL requires it, with the authorities of the system. */
  readonly tls: NatsTlsOptions | undefined;
  /** How long a start tries to reach NATS. */
  readonly connectTimeoutMs: number;
  /** Connections that carry appends and single requests. */
  readonly appendConnections: number;
  /** Connections that carry reads. */
  readonly readConnections: number;
}

export interface NatsTlsOptions {
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** The store to serve. A stream with other settings is refused. */
export interface StoreOptions {
  /** Name of the JetStream stream, such as "EVENTS". */
  readonly name: string;
  /** First token of its subjects, such as "es". */
  readonly prefix: string;
  readonly replicas: number;
  /** How many of its messages may be missing, see LogHealth. Default: 0. */
  readonly lostMessagesAccepted?: number;
  /** Whether a stream that is created is immutable: NATS then never removes a message of it. Default: false. */
  readonly immutable?: boolean;
}
