import { once } from 'node:events';
import { startTestGateway, type TestGateway } from '../support/gateway';
import { startNats, type TestNats } from '../support/nats-server';
import {
  connectWire,
  failureWithin,
  wireFailureOf,
  type WireClient,
  type WireFailure,
  type WireMessage,
} from '../support/wire-client';
import { requestFields } from './contract-fields';

/** Every field of every request with values that must be refused, and with the extremes that must not. */
interface FieldCases {
  /** Empty only if `why` tells that the field cannot be wrong. */
  readonly bad: readonly BadInput[];
  /** Why no value is wrong. */
  readonly why?: string;
  /** Requests that are right. */
  readonly fine?: readonly WireMessage[];
}

/** A request, the one field that must be named, and what must be said of it. */
interface BadInput {
  readonly request: WireMessage;
  readonly field: string;
  readonly says: RegExp;
}

const invalidArgument = 3;
const uint64Max = '18446744073709551615';
const int64Max = '9223372036854775807';
const uint32Max = 4_294_967_295;
const long = (length: number): string => 'x'.repeat(length);
/** 201 bytes in 67 characters. */
const longInBytes = '€'.repeat(67);

const badTokens = [
  'a b',
  ' a',
  'a\tb',
  'a\r\nPUB es.b 0\r\n',
  'a\n',
  'a\0',
  'ä',
  '日本',
  'a\u200bb',
  'a/b',
  '$JS',
  'a,b',
  '"a"',
];
const badNames = [
  '.',
  'a.',
  '.a',
  'a..b',
  ...badTokens,
  ...badTokens.map((token) => `a.${token}.b`),
  long(201),
];
const tokens = (count: number): string => Array.from({ length: count }, () => 'a').join('.');
const wildcards = ['*', '>', 'a.*', 'a.>', '*.a'];
const fineNames = [
  long(200),
  tokens(16),
  'a:@=+~-_Z9',
  '0190f3a1-0000-7000-8000-000000000001',
  '...'.replace(/\./g, '-'),
];

const isNoName = /^is not 1 to 16 tokens .* at most 200 bytes: "/;
const streamCases: FieldCases = {
  bad: [
    { request: { stream: '' }, field: 'stream', says: /^is required$/ },
    ...[...badNames, ...wildcards, tokens(17)].map((stream) => ({
      request: { stream },
      field: 'stream',
      says: isNoName,
    })),
  ],
  fine: fineNames.map((stream) => ({ stream })),
};

const neverWrong = (why: string, ...fine: WireMessage[]): FieldCases => ({ bad: [], why, fine });

/** Cases of a list of event types, or of beginnings of them. */
function typesCases(list: string): FieldCases {
  const bad = (types: readonly string[], field: string, says: RegExp): BadInput => ({
    request: { [list]: types },
    field,
    says,
  });
  return {
    bad: [
      bad(
        Array.from({ length: 65 }, (_, i) => `T${i}`),
        list,
        /more than the limit of 64 types/,
      ),
      bad(['T', ''], `${list}[1]`, /^is empty$/),
      bad([long(201)], `${list}[0]`, /201 bytes.*limit of 200/),
      bad(['T', 'T', longInBytes], `${list}[2]`, /201 bytes.*limit of 200/),
    ],
    fine: [{ [list]: Array.from({ length: 64 }, () => long(200)) }],
  };
}
const eventTypeCases = typesCases('event_types');

const countCases = neverWrong(
  '0 is no bound, and any other number is one',
  { max_count: '0' },
  { max_count: uint64Max },
);

const pageCases = (): Record<string, FieldCases> => ({
  page: neverWrong('it is a hint', { page: {} }),
  'page.events_max': neverWrong(
    'it is a hint',
    { page: { events_max: 0 } },
    { page: { events_max: uint32Max } },
  ),
  'page.bytes_max': neverWrong(
    'it is a hint',
    { page: { bytes_max: 1 } },
    { page: { bytes_max: uint32Max } },
  ),
});

/** Cases of a google.protobuf.Timestamp. */
function timeCases(field: string): Record<string, FieldCases> {
  const says = /^is not a time from 1970 to 2262 with 0 to 999999999 ns: "/;
  const bad = (time: WireMessage): BadInput => ({ request: { [field]: time }, field, says });
  return {
    [field]: neverWrong('without its parts it is 1970', { [field]: {} }),
    [`${field}.seconds`]: {
      bad: ['-1', '9223372036', int64Max, `-${int64Max}`].map((seconds) => bad({ seconds })),
      fine: [{ [field]: { seconds: '9223372035', nanos: 999_999_999 } }],
    },
    [`${field}.nanos`]: {
      bad: [-1, 1_000_000_000, 2_147_483_647].map((nanos) => bad({ seconds: '1700000000', nanos })),
      fine: [{ [field]: { nanos: 999_999_999 } }],
    },
  };
}

const withEvent = (event: WireMessage): WireMessage => ({ events: [{ type: 'Fine', ...event }] });

/** Cases of an event, correlation or causation id. */
function idCases(name: string): FieldCases {
  const bad = (value: string, says: RegExp): BadInput => ({
    request: withEvent({ [name]: value }),
    field: `events[0].${name}`,
    says,
  });
  return {
    bad: [
      bad(long(129), /129 characters.*limit of 128/),
      ...['é', 'a b', ' ', 'a\n', '\0', '\u007f', '日'].map((id) =>
        bad(id, /^has characters other than visible ASCII: "/),
      ),
    ],
    fine: [withEvent({ [name]: long(128) }), withEvent({ [name]: '!~' }), withEvent({ [name]: '' })],
  };
}

/** Cases of the tags of an event, or of an item of a query, which are at `field`. */
function tagsCases(field: string, withTags: (tags: readonly string[]) => WireMessage): FieldCases {
  const bad = (tags: readonly string[], at: string, says: RegExp): BadInput => ({
    request: withTags(tags),
    field: `${field}${at}`,
    says,
  });
  return {
    bad: [
      bad(
        Array.from({ length: 17 }, (_, i) => `t${i}`),
        '',
        /more than the limit of 16 tags/,
      ),
      bad(['t', ''], '[1]', /^is empty$/),
      bad([long(129)], '[0]', /129 bytes.*limit of 128/),
      bad(['t', '€'.repeat(43)], '[1]', /129 bytes.*limit of 128/),
      ...['a\nb', '\t', 'a\0', '\u007f', '\u0085'].map((tag) =>
        bad([tag], '[0]', /^has control characters: "/),
      ),
    ],
    fine: [withTags(Array.from({ length: 16 }, () => long(128))), withTags(['Größe: 👍', ' '])],
  };
}

/** What the cases that are fine have besides, where no stored event may match. */
interface MatchingNothing {
  readonly event_types?: readonly string[];
  readonly tags?: readonly string[];
}

/** Cases of a query, which is within a message at `path`. */
function queryCases(
  path = '',
  within = (query: WireMessage): WireMessage => query,
  besides: MatchingNothing = {},
): Record<string, FieldCases> {
  const withItems = (items: readonly WireMessage[]): WireMessage => within({ query: { items } });
  const bad = (items: readonly WireMessage[], field: string, says: RegExp): BadInput => ({
    request: withItems(items),
    field: `${path}${field}`,
    says,
  });
  const { bad: badTypes, fine: fineTypes = [] } = typesCases('event_types');
  const manyItems = (count: number): readonly WireMessage[] =>
    Array.from({ length: count }, () => ({ tags: ['t'] }));
  return {
    [`${path}query`]: {
      bad: [{ request: within({ query: {} }), field: `${path}query.items`, says: /^is required$/ }],
    },
    [`${path}query.items`]: {
      bad: [
        bad([], 'query.items', /^is required$/),
        bad([{ tags: ['t'] }, {}], 'query.items[1]', /^needs event_types, tags, or both$/),
        bad(manyItems(65), 'query.items', /more than the limit of 64 items/),
      ],
      fine: [withItems(manyItems(64))],
    },
    [`${path}query.items.event_types`]: {
      bad: badTypes.map(({ request, field, says }) => bad([request], `query.items[0].${field}`, says)),
      fine: fineTypes.map((item) => withItems([{ ...besides, ...item }])),
    },
    [`${path}query.items.tags`]: tagsCases(`${path}query.items[0].tags`, (tags) =>
      withItems([{ ...besides, tags }]),
    ),
  };
}

const entries = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, 'value']));

/** Cases of the condition of an append, which otherwise has events. */
function conditionCases(): Record<string, FieldCases> {
  const withCondition = (condition: WireMessage): WireMessage => ({ condition });
  const query = { items: [{ tags: ['no event has it'] }] };
  return {
    condition: {
      bad: [{ request: withCondition({}), field: 'condition.query', says: /^is required$/ }],
      fine: [withCondition({ query })],
    },
    ...queryCases('condition.', withCondition, { event_types: ['NoEventHasIt'], tags: ['no event has it'] }),
    'condition.after_position': {
      bad: [uint64Max, int64Max].map((after_position) => ({
        request: withCondition({ query, after_position }),
        field: 'condition.after_position',
        says: /^is \d+, after the end of the store, which is at \d+$/,
      })),
    },
    'condition.within_stream': {
      bad: ['another', 'a b', '>'].map((within_stream) => ({
        request: withCondition({ query, within_stream }),
        field: 'condition.within_stream',
        says: /^is no stream of the request: "/,
      })),
      fine: [withCondition({ query, within_stream: '' })],
    },
  };
}

const appendCases: Record<string, FieldCases> = {
  stream: streamCases,
  events: {
    bad: [
      {
        request: { events: Array.from({ length: 10_001 }, () => ({ type: 'Fine' })) },
        field: 'events',
        says: /more than the limit of 10000 events/,
      },
      {
        request: { events: Array.from({ length: 9 }, () => ({ type: 'Fine', text: long(1_000_000) })) },
        field: 'events',
        says: /9\d{6} bytes.*8388608/,
      },
    ],
    fine: [{ events: Array.from({ length: 10_000 }, () => ({ type: 'Fine' })) }, { events: [] }],
  },
  'events.id': {
    ...idCases('id'),
    bad: [
      ...idCases('id').bad,
      {
        request: { events: ['a', 'b', '', 'a', ''].map((id) => ({ id, type: 'Fine' })) },
        field: 'events[3].id',
        says: /^is also the id of events\[0\]: "a"$/,
      },
    ],
  },
  'events.type': {
    bad: [
      { request: withEvent({ type: '' }), field: 'events[0].type', says: /^is required$/ },
      ...['a\nb', '\t', 'a\0', '\u007f', '\u0085'].map((type) => ({
        request: withEvent({ type }),
        field: 'events[0].type',
        says: /^has control characters: "/,
      })),
      ...[long(201), longInBytes].map((type) => ({
        request: withEvent({ type }),
        field: 'events[0].type',
        says: /201 bytes.*limit of 200/,
      })),
    ],
    fine: [withEvent({ type: long(200) }), withEvent({ type: 'Größe geändert 👍' })],
  },
  'events.binary': {
    bad: [
      {
        request: withEvent({ binary: Buffer.alloc(1 << 20) }),
        field: 'events[0]',
        says: /104\d{4} bytes.*104\d{4}/,
      },
    ],
    fine: [withEvent({ binary: Buffer.alloc(0) }), withEvent({ binary: Buffer.alloc(1_000_000, 255) })],
  },
  'events.text': {
    bad: [
      {
        request: withEvent({ text: '€'.repeat(350_000) }),
        field: 'events[0]',
        says: /105\d{4} bytes.*104\d{4}/,
      },
    ],
    fine: [withEvent({ text: '' }), withEvent({ text: '€'.repeat(340_000) })],
  },
  'events.content_type': {
    bad: [long(201), longInBytes].map((content_type) => ({
      request: withEvent({ content_type }),
      field: 'events[0].content_type',
      says: /201 bytes.*limit of 200/,
    })),
    fine: [withEvent({ content_type: long(200) })],
  },
  'events.correlation_id': idCases('correlation_id'),
  'events.causation_id': idCases('causation_id'),
  'events.tags': tagsCases('events[0].tags', (tags) => withEvent({ tags })),
  'events.metadata': {
    bad: [
      {
        request: withEvent({ metadata: entries(65) }),
        field: 'events[0].metadata',
        says: /more than the limit of 64 entries/,
      },
    ],
    fine: [withEvent({ metadata: entries(64) })],
  },
  'events.metadata.key': {
    bad: [
      {
        request: withEvent({ metadata: { '': 'v' } }),
        field: 'events[0].metadata',
        says: /^has an empty key$/,
      },
      {
        request: withEvent({ metadata: { [long(201)]: 'v' } }),
        field: `events[0].metadata["${long(60)}…"]`,
        says: /201 bytes.*limit of 200/,
      },
    ],
    fine: [withEvent({ metadata: { [long(200)]: 'v' } })],
  },
  'events.metadata.value': {
    bad: [
      {
        request: withEvent({ metadata: { key: long(70_000) } }),
        field: 'events[0].metadata',
        says: /70003 bytes.*limit of 65536/,
      },
      {
        request: withEvent({ metadata: { key: '€'.repeat(21_845) } }),
        field: 'events[0].metadata',
        says: /65538 bytes.*limit of 65536/,
      },
    ],
    fine: [withEvent({ metadata: { key: long(65_533) } })],
  },
  expected_version: neverWrong('a version that the stream does not have is a conflict', {
    expected_version: '0',
  }),
  must_exist: {
    bad: ['0', '1'].map((expected_version) => ({
      request: { expected_version, must_exist: true },
      field: 'must_exist',
      says: /^cannot go with expected_version$/,
    })),
    fine: [{ expected_version: '0', must_exist: false }],
  },
  commit_id: {
    bad: [
      'x',
      '0190f3a1',
      '0190f3a1-0000-7000-8000-00000000000g',
      '{0190f3a1-0000-7000-8000-000000000001}',
      '0190f3a1000070008000000000000001',
      ' ',
    ].map((commit_id) => ({ request: { commit_id }, field: 'commit_id', says: /^is not a UUID: "/ })),
    fine: [
      { commit_id: '00000000-0000-0000-0000-000000000000' },
      { commit_id: 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF' },
    ],
  },
  with_commit_time: neverWrong(
    'it is true or false',
    { with_commit_time: true },
    { with_commit_time: false },
  ),
  validate_only: neverWrong('it is true or false', { validate_only: true }, { validate_only: false }),
  ...conditionCases(),
};

const reversedVersions: BadInput = {
  request: { from_version: '6', to_version: '5' },
  field: 'to_version',
  says: /^is 5, below from_version 6$/,
};
const reversedBackward: BadInput = {
  request: { direction: 'DIRECTION_BACKWARD', from_version: '5', to_version: uint64Max },
  field: 'to_version',
  says: /^is 18446744073709551615, above from_version 5$/,
};
const reversedTimes: BadInput = {
  request: { from_time: { seconds: '5', nanos: 2 }, to_time: { seconds: '5', nanos: 1 } },
  field: 'to_time',
  says: /^is before from_time$/,
};

const isUnknown = (field: string): BadInput[] =>
  [3, 99, -1, 2_147_483_647].map((value) => ({
    request: { [field]: value },
    field,
    says: new RegExp(`^is unknown: ${value}$`),
  }));

const readStreamCases: Record<string, FieldCases> = {
  stream: streamCases,
  from_version: neverWrong('after the end there is nothing', { from_version: uint64Max }),
  to_version: {
    bad: [reversedVersions, reversedBackward],
    fine: [
      { to_version: uint64Max },
      { from_version: uint64Max, to_version: uint64Max },
      { from_version: uint64Max, to_version: '1', direction: 'DIRECTION_BACKWARD' },
    ],
  },
  direction: { bad: isUnknown('direction'), fine: [{ direction: 0 }, { direction: 1 }, { direction: 2 }] },
  max_count: countCases,
  ...timeCases('from_time'),
  ...timeCases('to_time'),
  to_time: { bad: [reversedTimes], fine: [{ from_time: { seconds: '5' }, to_time: { seconds: '5' } }] },
  event_types: eventTypeCases,
  ...pageCases(),
  consistency: {
    bad: isUnknown('consistency'),
    fine: [{ consistency: 0 }, { consistency: 1 }, { consistency: 2 }],
  },
};

const isNoPattern = /^is not a pattern of stream names such as "order\.\*" or "order\.>": "/;

const badPatterns = [...badNames, 'a*', '*a', '**', 'a.>.b', '>.a', '>>', 'a.b>', tokens(17)];
const finePatterns = [...fineNames, ...wildcards, '*.*.a.>'];

const patternsCases: FieldCases = {
  bad: [
    ...['', ...badPatterns].map((pattern) => ({
      request: { stream: '', patterns: ['a.>', pattern] },
      field: 'patterns[1]',
      says: isNoPattern,
    })),
    {
      request: { stream: '', patterns: Array.from({ length: 17 }, (_, i) => `p.${i}`) },
      field: 'patterns',
      says: /more than the limit of 16 patterns/,
    },
  ],
  fine: [
    ...finePatterns.map((pattern) => ({ stream: '', patterns: [pattern] })),
    { stream: '', patterns: Array.from({ length: 16 }, () => long(200)) },
  ],
};

const beforeStart = /^is before after_position in the direction of the read$/;

const skipUnreadableCases = neverWrong(
  'it is true or false',
  { skip_unreadable: true },
  { skip_unreadable: false },
);

const permittedOnlyCases = neverWrong(
  'it is true or false',
  { permitted_only: true },
  { permitted_only: false },
);

const storeIdCases: FieldCases = {
  bad: [
    { request: { store_id: 'with space' }, field: 'store_id', says: /other than visible ASCII/ },
    { request: { store_id: long(129) }, field: 'store_id', says: /129 characters.*limit of 128/ },
  ],
  fine: [{ store_id: '' }],
};

const readAllCases: Record<string, FieldCases> = {
  patterns: patternsCases,
  after_position: neverWrong(
    'after the end there is nothing',
    { after_position: '0' },
    { after_position: uint64Max },
  ),
  after_count: {
    bad: [{ request: { after_count: '0' }, field: 'after_count', says: /^requires after_position$/ }],
    fine: [
      { after_position: '0', after_count: '0' },
      { after_position: uint64Max, after_count: uint64Max },
      { after_position: uint64Max, after_count: uint64Max, direction: 'DIRECTION_BACKWARD' },
    ],
  },
  to_position: {
    bad: [
      { request: { after_position: '6', to_position: '5' }, field: 'to_position', says: beforeStart },
      {
        request: { direction: 'DIRECTION_BACKWARD', after_position: '5', to_position: uint64Max },
        field: 'to_position',
        says: beforeStart,
      },
    ],
    fine: [
      { to_position: uint64Max },
      { after_position: uint64Max, to_position: uint64Max },
      { after_position: uint64Max, to_position: '1', direction: 'DIRECTION_BACKWARD' },
    ],
  },
  direction: { bad: isUnknown('direction'), fine: [{ direction: 0 }, { direction: 1 }, { direction: 2 }] },
  max_count: countCases,
  ...timeCases('from_time'),
  ...timeCases('to_time'),
  to_time: { bad: [reversedTimes], fine: [{ from_time: { seconds: '5' }, to_time: { seconds: '5' } }] },
  event_types: eventTypeCases,
  event_type_prefixes: typesCases('event_type_prefixes'),
  permitted_only: permittedOnlyCases,
  ...queryCases(),
  skip_unreadable: skipUnreadableCases,
  store_id: storeIdCases,
  ...pageCases(),
};

/** A second start beside another one, which is never right. */
const secondStart = (field: string, request: WireMessage, first: string): BadInput => ({
  request,
  field,
  says: new RegExp(`^cannot be combined with ${first}$`),
});

const afterEnd = /^is \d+, after the end, which is \d+$/;
const isNoInterval = /^is -?[\d.e+]+ ms, not 1000 to 3600000 ms$/;

const intervalCases = (intervals: readonly WireMessage[], fine: readonly WireMessage[]): FieldCases => ({
  bad: intervals.map((heartbeat_interval) => ({
    request: { heartbeat_interval },
    field: 'heartbeat_interval',
    says: isNoInterval,
  })),
  fine: fine.map((heartbeat_interval) => ({ heartbeat_interval })),
});

const subscribeCases: Record<string, FieldCases> = {
  stream: {
    bad: streamCases.bad.filter(({ request }) => request['stream'] !== ''),
    fine: [...fineNames, ''].map((stream) => ({ stream })),
  },
  patterns: {
    ...patternsCases,
    bad: [
      ...patternsCases.bad,
      { request: { patterns: ['a'] }, field: 'patterns', says: /^cannot be combined with stream$/ },
    ],
  },
  after_position: {
    bad: [
      {
        request: { after_position: uint64Max, start_must_exist: true },
        field: 'after_position',
        says: afterEnd,
      },
    ],
    fine: [{ after_position: '0', start_must_exist: true }, { after_position: uint64Max }],
  },
  after_count: {
    bad: [{ request: { after_count: '0' }, field: 'after_count', says: /^requires after_position$/ }],
    fine: [
      { after_position: '0', after_count: uint64Max },
      { after_position: uint64Max, after_count: '0' },
    ],
  },
  after_version: {
    bad: [
      { request: { stream: '', after_version: '0' }, field: 'after_version', says: /^requires stream$/ },
      secondStart('after_version', { after_position: '0', after_version: '0' }, 'after_position'),
      { request: { after_version: '1', start_must_exist: true }, field: 'after_version', says: afterEnd },
    ],
    fine: [{ after_version: '0', start_must_exist: true }, { after_version: uint64Max }],
  },
  ...timeCases('from_time'),
  from_time: {
    bad: [secondStart('from_time', { after_version: '0', from_time: {} }, 'after_version')],
    fine: [{ from_time: {} }, { after_position: '0', from_time: {} }],
  },
  from_now: {
    bad: [
      secondStart('from_now', { after_position: '0', from_now: true }, 'after_position'),
      secondStart('from_now', { after_version: '0', from_now: true }, 'after_version'),
      secondStart('from_now', { from_time: {}, from_now: true }, 'from_time'),
    ],
    fine: [{ from_now: true }, { after_position: '0', from_now: false }],
  },
  start_must_exist: neverWrong(
    'it is true or false; the start is at fault',
    { start_must_exist: true },
    { start_must_exist: true, from_now: true },
  ),
  event_types: eventTypeCases,
  event_type_prefixes: typesCases('event_type_prefixes'),
  permitted_only: permittedOnlyCases,
  ...queryCases(),
  skip_unreadable: skipUnreadableCases,
  store_id: storeIdCases,
  heartbeat_interval: intervalCases([{}], [{ seconds: '1' }, { seconds: '3600' }]),
  'heartbeat_interval.seconds': intervalCases(
    [
      { seconds: '-1' },
      { seconds: '3601' },
      { seconds: int64Max },
      { seconds: `-${int64Max}` },
      { seconds: '3600', nanos: 1 },
    ],
    [{ seconds: '3599', nanos: 999_999_999 }],
  ),
  'heartbeat_interval.nanos': intervalCases(
    [{ nanos: 999_999_999 }, { nanos: -1 }, { nanos: -2_147_483_648 }],
    [{ seconds: '1', nanos: 1 }],
  ),
  ...pageCases(),
};

/** What a request has beside the field under test. */
const appendBase: WireMessage = { stream: 'bad-input.1', events: [{ type: 'Fine' }] };

/** The cases of an Append as the only one of a session. */
function inSession(path: string, { bad, fine = [], ...more }: FieldCases): FieldCases {
  const wrap = (request: WireMessage): WireMessage => ({
    appends: [{ append: { ...appendBase, ...request } }],
  });
  return {
    ...more,
    bad: bad.map(({ request, ...said }) => ({ request: wrap(request), ...said })),
    // A commit id can be used once.
    fine: (path === 'commit_id' ? [] : fine).map((request, i) =>
      wrap({ stream: `fine-session.${path.replaceAll('.', '-')}.${i}`, ...request }),
    ),
  };
}

/** The cases of an Append as the first append of several. */
function inMulti(path: string, { bad, fine = [], ...more }: FieldCases): FieldCases {
  const wrap = (request: WireMessage): WireMessage => ({ appends: [{ ...appendBase, ...request }] });
  return {
    ...more,
    bad: bad.map(({ request, field, says }) => ({
      request: wrap(request),
      field: `appends[0].${field}`,
      says,
    })),
    fine: fine
      .filter(({ events }) => !Array.isArray(events) || events.length > 0)
      .map((request, i) => wrap({ stream: `fine-multi.${path.replaceAll('.', '-')}.${i}`, ...request })),
  };
}

const multiBase = (stream: string): WireMessage => ({ ...appendBase, stream });
const check = (stream: string): WireMessage => ({ stream, expected_version: 0 });
const names = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `fine-multi.${count}.${i}`);
const multiCases: Readonly<Record<string, FieldCases>> = {
  ...conditionCases(),
  appends: {
    bad: [
      { request: { appends: [] }, field: 'appends', says: /^is required$/ },
      {
        request: { appends: names(101).map(multiBase) },
        field: 'appends',
        says: /more than the limit of 100 entries/,
      },
      {
        request: { appends: [multiBase('a.1'), multiBase('a.1')] },
        field: 'appends[1].stream',
        says: /is also the stream of appends\[0\]: "a.1"/,
      },
      {
        request: { appends: [{ stream: 'a.1' }] },
        field: 'appends[0].events',
        says: /^is required$/,
      },
    ],
    fine: [{ appends: names(100).map(multiBase) }],
  },
  ...Object.fromEntries(
    Object.entries(appendCases)
      .filter(([path]) => !/^(commit_id|with_commit_time|validate_only|condition)/.test(path))
      .map(([path, cases]) => [`appends.${path}`, inMulti(path, cases)]),
  ),
  checks: {
    bad: [
      {
        request: { checks: names(101).map(check) },
        field: 'checks',
        says: /more than the limit of 100 entries/,
      },
      {
        request: { checks: [check('bad-input.multi')] },
        field: 'checks[0].stream',
        says: /is also the stream of appends\[0\]/,
      },
    ],
  },
  'checks.stream': {
    bad: streamCases.bad.map(({ request, says }) => ({
      request: { checks: [{ ...request, expected_version: 0 }] },
      field: 'checks[0].stream',
      says,
    })),
  },
  'checks.expected_version': {
    bad: [{ stream: 'a.1' }, { stream: 'a.1', must_exist: false }].map((one) => ({
      request: { checks: [one] },
      field: 'checks[0].expected_version',
      says: /^is required, or must_exist$/,
    })),
  },
  'checks.must_exist': {
    bad: [
      {
        request: { checks: [{ ...check('a.1'), must_exist: true }] },
        field: 'checks[0].must_exist',
        says: /^cannot go with expected_version$/,
      },
    ],
  },
  commit_id: {
    bad: (appendCases['commit_id'] as FieldCases).bad,
  },
  validate_only: neverWrong('it is true or false', {
    appends: [multiBase('fine-multi.validate')],
    validate_only: true,
  }),
};

function traceContext(context: WireMessage): ReturnType<typeof neverWrong> {
  const append = { ...appendBase, stream: 'fine-session.traced' };
  return neverWrong('what names no span is left out', { appends: [{ trace_context: context, append }] });
}

const cases: Readonly<Record<string, Readonly<Record<string, FieldCases>>>> = {
  Append: appendCases,
  AppendSession: {
    appends: neverWrong('any number of them will do', { appends: [] }),
    'appends.tag': neverWrong('the gateway does not look at it', {
      appends: [{ tag: uint64Max, append: { ...appendBase, stream: 'fine-session.tag' } }],
    }),
    'appends.in_order': neverWrong('true or false', {
      appends: [{ in_order: true, append: { ...appendBase, stream: 'fine-session.in-order' } }],
    }),
    'appends.trace_context': traceContext({}),
    'appends.trace_context.traceparent': traceContext({ traceparent: 'é'.repeat(10_000) }),
    'appends.trace_context.tracestate': traceContext({ tracestate: 'é'.repeat(10_000) }),
    'appends.append': {
      bad: [{ request: { appends: [{ tag: 1 }] }, field: 'append', says: /^is required$/ }],
    },
    ...Object.fromEntries(
      Object.entries(appendCases).map(([path, cases]) => [`appends.append.${path}`, inSession(path, cases)]),
    ),
    'appends.append.validate_only': inSession('validate_only', {
      bad: [{ request: { validate_only: true }, field: 'validate_only', says: /^is only for Append$/ }],
      fine: [{ validate_only: false }],
    }),
  },
  AppendMulti: multiCases,
  ReadStream: readStreamCases,
  GetVersion: { stream: streamCases, ...timeCases('as_of') },
  GetCommit: {
    commit_id: {
      bad: [
        { request: { commit_id: '' }, field: 'commit_id', says: /^is required$/ },
        ...(appendCases['commit_id'] as FieldCases).bad,
      ],
      fine: [{ commit_id: '0190F3A1-0000-7000-8000-00000000000A' }],
    },
  },
  ReadByCorrelation: {
    correlation_id: {
      bad: [
        { request: { correlation_id: '' }, field: 'correlation_id', says: /^is required$/ },
        {
          request: { correlation_id: long(129) },
          field: 'correlation_id',
          says: /129 characters.*limit of 128/,
        },
        ...['é', 'a b', 'a\n'].map((correlation_id) => ({
          request: { correlation_id },
          field: 'correlation_id',
          says: /^has characters other than visible ASCII: "/,
        })),
      ],
      fine: [{ correlation_id: long(128) }],
    },
    event_types: eventTypeCases,
    max_count: countCases,
    skip_unreadable: skipUnreadableCases,
    ...pageCases(),
  },
  ReadAll: readAllCases,
  Subscribe: subscribeCases,
  ListStreams: {
    pattern: {
      bad: badPatterns.map((pattern) => ({
        request: { pattern },
        field: 'pattern',
        says: isNoPattern,
      })),
      fine: [...finePatterns, ''].map((pattern) => ({ pattern })),
    },
    include_deleted: neverWrong('it is yes or no', { include_deleted: true }),
    after: {
      bad: [...badNames, ...wildcards, tokens(17)].map((after) => ({
        request: { after },
        field: 'after',
        says: /^is not a stream name: "/,
      })),
      fine: [...fineNames, ''].map((after) => ({ after })),
    },
    max_count: countCases,
    permitted_only: permittedOnlyCases,
  },
  GetServerInfo: {},
};

/** What a request has beside the field under test. */
const bases: Readonly<Record<string, WireMessage>> = {
  Append: appendBase,
  AppendMulti: { appends: [{ ...appendBase, stream: 'bad-input.multi' }] },
  ReadStream: { stream: 'bad-input.1' },
  GetVersion: { stream: 'bad-input.1' },
  GetCommit: { commit_id: '0190f3a1-0000-7000-8000-00000000000b' },
  ReadByCorrelation: { correlation_id: 'bad-input' },
  ReadAll: { patterns: ['bad-input.1'] },
  Subscribe: { stream: 'bad-input.1' },
};

let nats: TestNats;
let gateway: TestGateway;
let wire: WireClient;

beforeAll(async () => {
  nats = await startNats();
  gateway = await startTestGateway([nats.url]);
  wire = connectWire(gateway.address);
});

afterAll(async () => {
  wire[Symbol.dispose]();
  await gateway[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

interface Violation {
  readonly field: string;
  readonly description: string;
}

/** How many violations a failure leaves out. */
function leftOutOf({ details: [info] }: WireFailure): string | undefined {
  return (info?.['metadata'] as Record<string, string> | undefined)?.['left_out'];
}

/** The violations that a failure names, when it is INVALID_ARGUMENT as it should be in all else. */
function violationsOf(failure: WireFailure): readonly Violation[] {
  const { code, details } = failure;
  const [info, badRequest] = details;
  const leftOut = leftOutOf(failure);
  const metadata = leftOut === undefined ? {} : { metadata: { left_out: leftOut } };
  expect([code, info, badRequest?.['@type'], details.length]).toEqual([
    invalidArgument,
    { '@type': 'google.rpc.ErrorInfo', reason: 'INVALID_REQUEST', domain: 'sluice.v1', ...metadata },
    'google.rpc.BadRequest',
    2,
  ]);
  return badRequest?.['field_violations'] as Violation[];
}

/** The failure of a call, or of the only append of a session. */
async function failureOf(rpc: string, request: WireMessage): Promise<WireFailure> {
  if (rpc !== 'AppendSession') return wireFailureOf(ask(rpc, request));
  const [message] = await ask(rpc, request);
  const [answer] = message?.['answers'] as WireMessage[];
  return failureWithin(answer?.['error'] as WireMessage);
}

/** A unary answer is a stream of one message; of a subscription, which has no end, the first message is enough. */
async function ask(rpc: string, request: WireMessage): Promise<readonly WireMessage[]> {
  if (rpc !== 'Subscribe') return wire.stream(rpc, { ...bases[rpc], ...request });
  const call = wire.open(rpc, { ...bases[rpc], ...request });
  try {
    const [first] = (await once(call, 'data')) as [WireMessage];
    return [first];
  } finally {
    call.on('error', () => undefined).cancel();
  }
}

/** The position of the last commit. */
async function end(): Promise<unknown> {
  const [first] = await wire.stream('ReadAll', { max_count: '1' });
  return (first?.['header'] as WireMessage)['position'];
}

test('every field of every request has its cases', () => {
  const inContract = [...requestFields()].map(([rpc, fields]) => [
    rpc,
    fields.map(({ path }) => path).sort(),
  ]);
  expect(inContract).toEqual(Object.entries(cases).map(([rpc, fields]) => [rpc, Object.keys(fields).sort()]));
  const empty = Object.values(cases)
    .flatMap((fields) => Object.values(fields))
    .filter(({ bad, why }) => bad.length === 0 && why === undefined);
  expect(empty).toEqual([]);
});

describe.each(Object.entries(cases))('%s', (rpc, fields) => {
  const all = Object.entries(fields);
  const refused = all.filter(([, { bad }]) => bad.length > 0);
  const tolerated = all.filter(([, { fine = [] }]) => fine.length > 0);

  if (refused.length > 0) {
    test.each(refused)('refuses a bad %s, names it, and stores nothing', async (_path, { bad }) => {
      const before = await end();
      for (const { request, field, says } of bad) {
        const violations = violationsOf(await failureOf(rpc, request));
        expect(violations).toEqual([{ field, description: expect.stringMatching(says) as string }]);
      }
      expect(await end()).toBe(before);
      expect(await ask('GetVersion', {})).toEqual([{}]);
    });
  }

  if (tolerated.length > 0) {
    test.each(tolerated)('takes the extremes of %s', async (_path, { fine = [] }) => {
      for (const [index, request] of fine.entries()) {
        const stream = rpc === 'Append' ? { stream: `fine.${_path.replaceAll('.', '-')}.${index}` } : {};
        const messages = await ask(rpc, { ...stream, ...request });
        if (rpc !== 'AppendSession') continue;
        for (const answer of messages.flatMap((message) => message['answers'] as WireMessage[]))
          expect(answer).toHaveProperty('result');
      }
    });
  }
});

describe('several faults at once', () => {
  test('are all named', async () => {
    const fields = async (rpc: string, request: WireMessage): Promise<string[]> =>
      violationsOf(await wireFailureOf(ask(rpc, request))).map(({ field }) => field);
    const events = [
      { id: 'é', type: '', tags: [''] },
      { type: 'Fine' },
      { type: 'a\n', content_type: long(201), correlation_id: ' ', causation_id: ' ', metadata: { '': '' } },
    ];
    expect(await fields('Append', { stream: 'a b', commit_id: 'x', events })).toEqual([
      'stream',
      'commit_id',
      'events[0].type',
      'events[0].id',
      'events[0].tags[0]',
      'events[2].type',
      'events[2].content_type',
      'events[2].correlation_id',
      'events[2].causation_id',
      'events[2].metadata',
    ]);
    const times = { from_time: { seconds: '-1' }, to_time: { nanos: -1 } };
    expect(
      await fields('ReadStream', {
        stream: '',
        direction: 9,
        consistency: 9,
        event_types: [''],
        ...times,
        ...reversedVersions.request,
      }),
    ).toEqual(['stream', 'direction', 'consistency', 'to_version', 'from_time', 'to_time', 'event_types[0]']);
    expect(await fields('GetVersion', { stream: '*', as_of: { seconds: '-1' } })).toEqual([
      'stream',
      'as_of',
    ]);
    expect(await fields('ReadByCorrelation', { correlation_id: '', event_types: [''] })).toEqual([
      'correlation_id',
      'event_types[0]',
    ]);
    const filter = { patterns: ['a b'], event_types: [''], event_type_prefixes: [''] };
    const inFilter = ['event_type_prefixes[0]', 'patterns[0]', 'event_types[0]'];
    expect(await fields('ReadAll', { ...filter, direction: 9, ...times })).toEqual([
      ...inFilter,
      'direction',
      'from_time',
      'to_time',
    ]);
    const starts = { stream: '', after_version: '1', ...times, from_now: true };
    expect(await fields('Subscribe', { ...filter, ...starts, heartbeat_interval: {} })).toEqual([
      ...inFilter,
      'after_version',
      'from_time',
      'heartbeat_interval',
    ]);
    expect(await fields('ListStreams', { pattern: 'a b', after: '>' })).toEqual(['pattern', 'after']);
  });

  test('are named as far as they fit into an answer that every client takes', async () => {
    const events = Array.from({ length: 10_000 }, () => ({
      type: '\n'.repeat(300),
      id: '\u0001'.repeat(100),
    }));
    const call = wire.open('Append', { stream: long(300), events });
    const failure = await wireFailureOf(call.toArray());
    const violations = violationsOf(failure);
    expect(violations.length).toBeGreaterThanOrEqual(5);
    expect(violations.length + Number(leftOutOf(failure))).toBe(32);
    expect(violations[0]?.field).toBe('stream');
    expect(failure.message.length).toBeGreaterThan(100);
    // Well below what nginx accepts by default.
    const trailerBytesMax = 3_072;
    const [details] = await new Promise<unknown[]>((resolve) => {
      wire.open('Append', { stream: long(300), events }).on('error', (error) => {
        resolve(
          (error as unknown as { metadata: { get(key: string): unknown[] } }).metadata.get(
            'grpc-status-details-bin',
          ),
        );
      });
    });
    const encoded = (details as Buffer).toString('base64').length + encodeURI(failure.message).length;
    expect(encoded).toBeLessThan(trailerBytesMax);
  });
});
