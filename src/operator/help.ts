export type OperatorVerb = 'backup' | 'restore' | 'verify';

const settings = `The store and its NATS are named by the flags and variables that serve has for them: --nats-url and the other
flags for your own NATS, --data-dir and the other flags for the embedded nats-server, --store-name,
--store-prefix, --store-replicas; see sluice --help. With an embedded nats-server, the command uses the one of
the gateway that runs on the data folder, as the same user, or runs one itself if no gateway does.
`;

const exitCodes = `Exit codes:
  0  done; for verify: no faults
  1  failed, or refused; standard error says why
  2  invalid command line or settings
  3  verify has found faults
  130, 143  ended by SIGINT (Ctrl-C) or SIGTERM
`;

const texts: Readonly<Record<OperatorVerb, { readonly usage: string; readonly text: string }>> = {
  backup: {
    usage: 'backup FOLDER [flags]',
    text: `Back up the store to a new or empty folder, while gateways append.

The backup has the store as it is at one moment. The folder has the log, the version of every stream, and
manifest.json, which is written last: without it the folder is no backup.
`,
  },
  restore: {
    usage: 'restore FOLDER [flags]',
    text: `Restore the store of a backup to a NATS that does not have it.

The backup is checked first, and the restored store is compared with it before gateways can use it. Nothing
that exists is overwritten. --store-replicas may be another number than that of the backup.
`,
  },
  verify: {
    usage: 'verify [flags]',
    text: `Read the whole log of the store and check it, while gateways append.

Every message must be a commit whose events fit its headers, transactions must be whole, and the versions of
each stream must be consecutive. Columns of what is found: position, stream, reason.
`,
  },
};

/** The text of `sluice backup --help` and so on. */
export function operatorHelp(verb: OperatorVerb): string {
  const { usage, text } = texts[verb];
  return [text, `Usage:\n  sluice ${usage}\n`, settings, exitCodes].join('\n');
}
