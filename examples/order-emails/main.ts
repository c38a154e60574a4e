import { connect, ParkEvent, parseJson, type RecordedEvent } from 'sluice-eventstore';
import { sendOnce } from './outbox';

const [address = '', outbox = ''] = process.argv.slice(2);
const subjects = new Map([
  ['OrderPlaced', 'Thank you for your order'],
  ['OrderShipped', 'Your order is on its way'],
]);

/** Sends the e-mail of an event, unless that has happened. */
function handle(event: RecordedEvent): void {
  const { email } = parseJson(event) as { readonly email?: unknown };
  if (typeof email !== 'string') throw new ParkEvent('the event has no e-mail address');
  const key = `${event.stream}-${event.version.toString()}`;
  const text = `To: ${email}\nMessage-ID: <${key}@shop.example.com>\nSubject: ${subjects.get(event.type) ?? event.type}\n`;
  console.log(sendOnce(outbox, key, text) ? 'sent' : 'sent before', key);
}

async function main(): Promise<void> {
  using client = connect(address);
  const stop = new AbortController();
  process.once('SIGTERM', () => {
    stop.abort();
  });
  await client.consume('order-emails', handle, {
    stop: stop.signal,
    onFailed(error, { stream, version }) {
      console.error(stream, version.toString(), String(error));
    },
    onReconnect(error) {
      console.error('joining again after', error.message);
    },
  });
}

void main().catch((error: unknown) => {
  console.error(String(error));
  process.exitCode = 1;
});
