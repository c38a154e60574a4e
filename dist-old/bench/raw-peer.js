"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.rawStore = void 0;
exports.rawPeer = rawPeer;
const nats_1 = require("nats");
const event_1 = require("../generated/sluice/v1/event");
/* eslint-disable @typescript-eslint/no-deprecated -- the ordered push consumer, which is the fastest that `nats` has */
/** Where the raw peer appends: a JetStream stream set like a store, so that the index of the store has no part in it. */
exports.rawStore = { name: 'RAW', prefix: 'raw', replicas: 1 };
/** Where it reads: the very messages that the gateway reads. */
const store = { name: 'EVENTS', prefix: 'es' };
const directGet = `$JS.API.DIRECT.GET.${store.name}`;
/** More than any stream here has: the server ends a batch by bytes. */
const batch = 100_000;
/**
 * The leanest that one would write by hand with the `nats` package: `js.publish` with the expected last sequence of the
 * subject, batched Direct Get for reads, a single Direct Get for the last message. No commit ids, no index, no limits.
 */
async function rawPeer(url) {
    const connection = await (0, nats_1.connect)({ servers: url, noAsyncTraces: true });
    const jetstream = connection.jetstream();
    const sequences = new Map();
    return {
        append: (stream, events, version) => append(jetstream, sequences, stream, events, version),
        async read(stream, range) {
            if (range !== 'all')
                throw new Error('the raw peer reads whole streams only');
            return readAll(connection, `${store.prefix}.${stream}`);
        },
        async version(stream) {
            const lookup = JSON.stringify({ last_by_subj: `${store.prefix}.${stream}` });
            const { headers } = await connection.request(directGet, lookup);
            return Number(headers?.get('Sluice-Version'));
        },
        correlation: () => Promise.reject(new Error('NATS has no index')),
        async catchUp(pattern, events) {
            let left = events;
            const options = orderedConsumer(store.name).deliverAll();
            const messages = await jetstream.subscribe(`${store.prefix}.${pattern}`, options);
            for await (const message of messages) {
                left -= event_1.CommitRecord.decode(message.data).events.length;
                if (left <= 0)
                    break;
            }
        },
        async follow(pattern, onEvent) {
            const options = orderedConsumer(exports.rawStore.name).deliverNew();
            options.callback((_error, message) => {
                if (message === null)
                    return;
                for (const { id } of event_1.CommitRecord.decode(message.data).events)
                    onEvent(id);
            });
            const messages = await jetstream.subscribe(`${exports.rawStore.prefix}.${pattern}`, options);
            return () => {
                messages.unsubscribe();
            };
        },
    };
}
function orderedConsumer(stream) {
    return (0, nats_1.consumerOpts)().orderedConsumer().bindStream(stream);
}
async function append(jetstream, sequences, stream, events, version) {
    const recorded = events.map((event, index) => ({
        ...event,
        stream,
        version: BigInt(version + index + 1),
        position: 0n,
        commitTime: undefined,
    }));
    const body = event_1.CommitRecord.encode({ events: recorded }).finish();
    const expect = { lastSubjectSequence: sequences.get(stream) ?? 0 };
    const { seq } = await jetstream.publish(`${exports.rawStore.prefix}.${stream}`, body, { expect });
    sequences.set(stream, seq);
}
async function readAll(connection, subject) {
    let count = 0;
    for (let next = 1, more = true; more;) {
        let last;
        more = await request(connection, { seq: next, next_by_subj: subject, batch }, (message) => {
            count += event_1.CommitRecord.decode(message.data).events.length;
            last = message;
        });
        next = Number(last?.headers?.get('Nats-Sequence')) + 1;
    }
    return count;
}
/** Asks for a batch, gives each message to `take`, and answers whether there is more. */
function request(connection, lookup, take) {
    const reply = (0, nats_1.createInbox)();
    return new Promise((resolve, reject) => {
        const settle = (then) => {
            subscription.unsubscribe();
            clearTimeout(timer);
            then();
        };
        const timer = setTimeout(settle, 10_000, () => {
            reject(new Error('no answer to a Direct Get'));
        });
        const subscription = connection.subscribe(reply, {
            callback: (error, message) => {
                // Only the end of a batch, or the answer that there is nothing, has no body.
                if (error === null && message.data.length > 0) {
                    take(message);
                    return;
                }
                settle(() => {
                    const code = message.headers?.code;
                    if (error === null && (code === 204 || code === 404)) {
                        resolve(code === 204 && message.headers?.get('Nats-Num-Pending') !== '0');
                    }
                    else {
                        reject(error ?? new Error(`status ${String(code)} for a Direct Get`));
                    }
                });
            },
        });
        connection.publish(directGet, JSON.stringify(lookup), { reply });
    });
}
