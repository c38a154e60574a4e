import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { status } from '@grpc/grpc-js';
import { ErrorInfo, RequestInfo, RetryInfo } from '../../generated/google/rpc/error_details';
import { Status } from '../../generated/google/rpc/status';
import { ServerLimits } from '../../generated/sluice/v1/event_store_service';
import { UnexpectedError } from '../../src/grpc/failure';
import { toStatus } from '../../src/grpc/status';
import { helpText } from '../../src/config/help';
import type { StreamConfig } from '../../src/jetstream/nats/api';
import { logConfig } from '../../src/jetstream/nats/open-stream';
import { gatewayPermissions } from '../../src/nats-server/permissions';
import { defaultLimits, type Limits } from '../../src/limits';
import { flagOf, keys, settings, variableOf, type Key, type Setting } from '../../src/config/settings';
import {
  AccessDeniedError,
  QuotaExceededError,
  UnauthenticatedError,
  type AnyAuthError,
  type AuthError,
} from '../../src/auth/errors';
import {
  CancelledError,
  AppendConditionError,
  CommitIdReuseError,
  ConditionContendedError,
  DeadlineExceededError,
  EraseSplitsCommitError,
  InvalidRequestError,
  NotPermittedError,
  OutcomeUnknownError,
  OverloadedError,
  ReplicaFillingError,
  StoreFullError,
  StoreImmutableError,
  StoreMismatchError,
  StoreRefusedError,
  StoreUnavailableError,
  StreamNotFoundError,
  StreamTombstonedError,
  VersionBeyondEndError,
  UnreadableCommitError,
  VersionConflictError,
  type AnyStoreError,
  type StoreError,
} from '../../src/store/errors';
import { GroupError, groupErrorCodes } from '../../src/store/group-errors';
import { position, version, type CommitId, type StreamName } from '../../src/store/values';
import { anchors, blocks, document, inlineCode, links, root, section, tableRows } from './markdown';

const code = (text: string): string => `\`${text}\``;

test('docs/configuration.md has the settings of src/config/settings.ts', () => {
  const expected = keys.map((key) => {
    const setting: Setting = settings[key];
    const byDefault = setting.default === undefined ? 'not set' : code(setting.default);
    return [code(flagOf(key)), code(variableOf(key)), byDefault, setting.description];
  });
  expect(tableRows(section(document('docs/configuration.md'), '## Settings'))).toEqual(expected);
});

describe('the pages for operators', () => {
  const bounds = tableRows(section(document('docs/configuration.md'), '## Bounds'));

  test('names every bound of src/limits.ts with its default and its flag', () => {
    const flags = new Set<string>(keys);
    const expected = Object.entries(defaultLimits).map(([key, value]) => [
      code(wireName(key)),
      String(value),
      flags.has(key) ? code(flagOf(key as Key)) : 'none',
    ]);
    expect(bounds.map(([name, byDefault, , flag]) => [name, byDefault, flag])).toEqual(expected);
  });

  test('lists the permissions that the embedded NATS server gives the gateway', () => {
    const [block] = blocks(section(document('docs/operations/security.md'), '## NATS permissions'));
    const listed = Array.from((block?.code ?? '').matchAll(/"([^"]+)"/g), ([, subject = '']) => subject);
    const { publish, subscribe } = gatewayPermissions({ name: 'EVENTS', prefix: 'es' });
    expect(listed.sort()).toEqual([...publish, ...subscribe].sort());
  });

  test('names every limit that GetServerInfo shows', () => {
    const shown = Object.keys(ServerLimits.fromPartial({})).map(wireName).map(code);
    expect(shown.length).toBeGreaterThan(15);
    expect(bounds.map(([name]) => name)).toEqual(expect.arrayContaining(shown));
  });

  test('has the exit codes of --help', () => {
    const rows = tableRows(section(document('docs/operations/monitoring.md'), '## Exit codes'));
    const listed = Array.from(helpText('').matchAll(/^ {2}(\d) {2}(.+)$/gm), ([, number, text]) => [
      number,
      text,
    ]);
    expect(rows.slice(0, -1)).toEqual(listed); // the last row is for what a shell makes of a signal
  });

  test('quotes messages that the gateway logs', () => {
    const folder = join(root, 'src');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    const sources = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
    const rows = tableRows(section(document('docs/operations/monitoring.md'), '## Logs'));
    expect(rows.length).toBeGreaterThan(5);
    for (const [, message = ''] of rows) expect(sources).toContain(`'${message.slice(1, -1)}'`);
  });
});

/** The name of a bound in the contract, where times are durations. */
function wireName(key: string): string {
  return key.replace(/Ms$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const stream = 'order.1' as StreamName;
const commitId = '01a21106-c38b-74b8-aa9c-0f93f136a250' as CommitId;

/** One error of each kind. */
const errors: { [Code in StoreError['code']]: Extract<AnyStoreError, { code: Code }> } = {
  INVALID_REQUEST: new InvalidRequestError([{ field: 'stream', description: 'is required' }]),
  VERSION_CONFLICT: new VersionConflictError({ stream, expected: version(0n), actual: version(2n) }),
  APPEND_CONDITION_FAILED: new AppendConditionError({ item: 0, position: position(7n), eventId: 'e' }),
  CONDITION_CONTENDED: new ConditionContendedError(20),
  COMMIT_ID_REUSE: new CommitIdReuseError(commitId, stream, position(7n)),
  STORE_UNAVAILABLE: new StoreUnavailableError(),
  REPLICA_FILLING: new ReplicaFillingError(position(7n), position(9n), 250),
  OUTCOME_UNKNOWN: new OutcomeUnknownError(stream, commitId),
  OVERLOADED: new OverloadedError('appendsMax', ''),
  STORE_FULL: new StoreFullError(),
  STORE_REFUSED: new StoreRefusedError('refused', 10_109),
  STORE_MISMATCH: new StoreMismatchError('one', 'other'),
  UNREADABLE_COMMIT: new UnreadableCommitError(stream, position(7n), 'it is not one'),
  STREAM_NOT_FOUND: new StreamNotFoundError(stream),
  STREAM_TOMBSTONED: new StreamTombstonedError(stream),
  VERSION_BEYOND_END: new VersionBeyondEndError(stream, version(3n), version(2n)),
  ERASE_SPLITS_COMMIT: new EraseSplitsCommitError(stream, version(3n), version(5n)),
  STORE_IMMUTABLE: new StoreImmutableError(),
  NOT_PERMITTED: new NotPermittedError(),
  DEADLINE_EXCEEDED: new DeadlineExceededError(),
  CANCELLED: new CancelledError(),
};

const authErrors: { [Code in AuthError['code']]: Extract<AnyAuthError, { code: Code }> } = {
  UNAUTHENTICATED: new UnauthenticatedError('missing', 'no credential'),
  ACCESS_DENIED: new AccessDeniedError('append', stream),
  QUOTA_EXCEEDED: new QuotaExceededError('appends_per_s', 250, 'too many'),
};

test('the table of docs/errors.md is what the gateway sends', () => {
  const [table = ''] = document('docs/errors.md').split('\n## ');
  const rows = tableRows(table);
  const bug = new UnexpectedError(new Error('a bug'));
  const groupErrors = groupErrorCodes.map((reason) => new GroupError(reason, 'about a group'));
  const sent = [...Object.values(errors), ...Object.values(authErrors), ...groupErrors, bug].map((error) => {
    const failure = toStatus(error, 'r-1');
    const [encoded] = failure.metadata.get('grpc-status-details-bin');
    const { details } = Status.decode(encoded as Buffer);
    const values = new Map(
      details.map(({ typeUrl, value }) => [typeUrl.replace('type.googleapis.com/', ''), value]),
    );
    const request = values.get('google.rpc.RequestInfo') as Buffer;
    expect(RequestInfo.decode(request).requestId).toBe('r-1');
    values.delete('google.rpc.RequestInfo'); // in all of them, as the text says
    const { reason, metadata } = ErrorInfo.decode(values.get('google.rpc.ErrorInfo') as Buffer);
    const fields = metadata.size === 0 ? '' : ` {${[...metadata.keys()].map(code).join(', ')}}`;
    const named = [...values.keys()].map((name) => code(name) + (name.endsWith('.ErrorInfo') ? fields : ''));
    const retry = values.get('google.rpc.RetryInfo');
    return { row: [code(reason), status[failure.code], named.join(', ')], retry };
  });
  expect(rows.map(([reason, name, details]) => [reason, name, details])).toEqual(sent.map(({ row }) => row));
  for (const [index, { retry }] of sent.entries()) {
    if (retry === undefined || rows[index]?.[0] === code('QUOTA_EXCEEDED')) continue; // its delay varies
    const { seconds = 0n, nanos = 0 } = RetryInfo.decode(retry).retryDelay ?? {};
    const delay = nanos === 0 ? `${String(seconds)} s` : `${nanos / 1e6} ms`;
    expect(rows[index]?.at(-1)).toContain(`(${delay})`);
  }
});

test('the table of docs/storage.md is what the stream is set to', () => {
  const rows = tableRows(section(document('docs/storage.md'), '## Settings of the stream'));
  const options = { name: 'EVENTS', prefix: 'es', replicas: 1 };
  const log = logConfig(options, defaultLimits);
  const fields = Object.keys(log).filter((field) => field !== 'description');
  expect(rows.flatMap(([names = '']) => inlineCode(names)).sort()).toEqual(fields.sort());
  for (const [names = '', inLog] of rows) {
    for (const field of inlineCode(names)) expect([field, shown(log, field)]).toEqual([field, inLog]);
  }
});

/** The value of a field as the table has it. */
function shown(config: StreamConfig, field: string): string {
  if (!(field in config)) return 'not compared';
  const value = config[field];
  if (field === 'duplicate_window') return `${Number(value) / 1e9} s`;
  if (value === undefined || field === 'consumer_limits')
    return field === 'persist_mode' ? 'default' : 'none';
  const text = (Array.isArray(value) ? value : [value]).map(String).join(', ');
  return typeof value === 'number' || typeof value === 'boolean' ? text : code(text);
}

test('times in the text agree with src/limits.ts', () => {
  const quoted: [file: string, text: string, key: keyof Limits][] = [
    ['docs/errors.md', '`duplicate_window` (120 s)', 'duplicateWindowMs'],
  ];
  for (const [file, text, key] of quoted) {
    expect(document(file).replaceAll('\n', ' ')).toContain(text);
    expect(text).toContain(`${defaultLimits[key] / 1_000} s`);
  }
});

test('docs/errors.md explains RESOURCE_EXHAUSTED without ErrorInfo, and when not to retry', () => {
  const rows = tableRows(section(document('docs/errors.md'), '## Statuses without details'));
  const exhausted = rows.filter(([status]) => status === 'RESOURCE_EXHAUSTED');
  expect(exhausted.map(([, when = '']) => when)).toEqual([
    expect.stringContaining('A proxy has had enough'),
    expect.stringContaining('Do not repeat the call'),
  ]);
});

test('the figures of README.md are those of bench/RESULTS.md', () => {
  const peers = new Map(
    tableRows(section(document('bench/RESULTS.md'), '# Beside peers')).map(([what, unit, ...cells]) => {
      const [sluice, , , umaDb, , messageDb] = cells;
      const shown = [sluice, umaDb, messageDb].map((cell = '-') =>
        cell === '-' ? '-' : `${cell} ${unit ?? ''}`,
      );
      return [what, shown];
    }),
  );
  const rows = tableRows(section(document('README.md'), '## Figures'));
  expect(rows.length).toBe(5);
  for (const [what, ...cells] of rows) {
    expect([what, cells.map((cell) => cell.replaceAll('*', ''))]).toEqual([what, peers.get(what)]);
  }
});

test('the indexes of docs/ name every page', () => {
  const linked = (page: string): string[] =>
    links(document(page)).map((target) => normalize(join(dirname(page), target)));
  const isDecision = (page: string): boolean => page.startsWith('docs/adr/');
  const indexes = ['docs/README.md', 'docs/adr/README.md'];
  const inDocs = pages.filter((page) => page.startsWith('docs/') && !indexes.includes(page));
  expect(linked('docs/README.md')).toEqual(
    expect.arrayContaining(inDocs.filter((page) => !isDecision(page))),
  );
  expect(linked('docs/adr/README.md')).toEqual(expect.arrayContaining(inDocs.filter(isDecision)));
});

describe('docs/operations/proxies.md', () => {
  test.each([
    ['nginx', ['grpc_buffer_size', 'grpc_read_timeout']],
    ['HAProxy', ['timeout server']],
    ['Envoy', ['timeout: 0s', 'stream_idle_timeout']],
  ])('has the settings for %s that work, and the heartbeat that goes with them', (proxy, names) => {
    const own = section(document('docs/operations/proxies.md'), `## ${proxy}`);
    for (const name of names) expect(own).toContain(name);
    const rows = tableRows(section(document('docs/operations/proxies.md'), '## Idle subscriptions'));
    expect(rows.find(([name]) => name === proxy)?.[3]).toMatch(/^\d+ s$/);
  });
});

test('CONTRIBUTING.md names every folder of test/', () => {
  const folders = readdirSync(join(root, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => code(`test/${name}/`));
  const named = tableRows(section(document('CONTRIBUTING.md'), '## Tests')).map(([folder]) => folder);
  expect(named).toEqual(folders.sort());
});

/** Tracked files and new ones that git does not ignore. */
const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: root,
})
  .toString()
  .trim()
  .split('\n')
  .filter((file) => /^([A-Z]+\.md|docs\/.*)$/.test(file) && existsSync(join(root, file)));

describe.each(pages)('%s', (page) => {
  const text = document(page);

  test('has links that lead somewhere', () => {
    const broken = links(text).filter((target) => {
      if (/^https:\/\//.test(target)) return false;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : normalize(join(dirname(page), path));
      if (!existsSync(join(root, file))) return true;
      return anchor !== undefined && !anchors(document(file)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test('names files that are there', () => {
    const paths = inlineCode(text).filter((name) => /^(src|test|proto|generated|docs)\/[\w./-]+$/.test(name));
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
