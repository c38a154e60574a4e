import type { Database } from 'node-sqlite3-wasm';
import type { Cursor, RecordedEvent } from 'sluice-eventstore';
import { claim, transaction, withDatabase } from './database';
import { orderIdOf, toOrderEvent } from './order-events';

const schema = `
  CREATE TABLE IF NOT EXISTS orders (
    id          TEXT PRIMARY KEY,
    customer    TEXT NOT NULL,
    status      TEXT NOT NULL,
    total_cents INTEGER NOT NULL,
    item_count  INTEGER NOT NULL,
    version     INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS checkpoint (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    cursor   TEXT NOT NULL
  );
`;

/** The orders, with all events up to a cursor applied. Only this process writes to it, until disposal. */
export interface ReadModel extends Disposable {
  /** The last event that was applied; undefined if the model is empty. */
  readonly cursor: Cursor | undefined;
  /** Applies the next events, all of them or none; `next` is the cursor after the last of them. */
  apply(events: readonly RecordedEvent[], next: Cursor | undefined): void;
}

/** Opens the read model in a file, or creates an empty one. */
export function openReadModel(path: string): ReadModel {
  const claimed = claim(path);
  let cursor = withDatabase(path, false, (database) => {
    transaction(database, () => {
      database.exec(schema);
    });
    return cursorIn(database);
  });
  return {
    get cursor() {
      return cursor;
    },
    apply(events, next) {
      if (events.length === 0 || next === undefined) return;
      withDatabase(path, true, (database) => {
        transaction(database, () => {
          for (const event of events) applyEvent(database, event);
          // In the transaction of the rows, so that no event is missed or counted twice, whenever the process ends.
          database.run('INSERT OR REPLACE INTO checkpoint VALUES (1, ?)', [next]);
        });
      });
      cursor = next;
    },
    [Symbol.dispose]() {
      claimed[Symbol.dispose]();
    },
  };
}

function cursorIn(database: Database): Cursor | undefined {
  const row = database.get('SELECT cursor FROM checkpoint');
  return row === null ? undefined : (row['cursor'] as Cursor);
}

function applyEvent(database: Database, event: RecordedEvent): void {
  const known = toOrderEvent(event);
  if (known === undefined) return;
  const { version } = event;
  const id = orderIdOf(event.stream);
  switch (known.type) {
    case 'OrderPlaced':
      database.run("INSERT INTO orders VALUES (?, ?, 'placed', 0, 0, ?) ON CONFLICT DO NOTHING", [
        id,
        known.data.customer,
        version,
      ]);
      break;
    case 'ItemAdded': {
      const { quantity, priceCents } = known.data;
      database.run(
        'UPDATE orders SET total_cents = total_cents + ?, item_count = item_count + ?, version = ? WHERE id = ?',
        [quantity * priceCents, quantity, version, id],
      );
      break;
    }
    case 'OrderPaid':
    case 'OrderShipped':
    case 'OrderCancelled':
      database.run('UPDATE orders SET status = ?, version = ? WHERE id = ?', [
        statuses[known.type],
        version,
        id,
      ]);
  }
}

const statuses = { OrderPaid: 'paid', OrderShipped: 'shipped', OrderCancelled: 'cancelled' } as const;

/** The totals of all orders. */
export interface Summary {
  readonly cursor: Cursor | undefined;
  readonly byStatus: readonly { readonly status: string; readonly orders: number; readonly cents: bigint }[];
  /** The total of the orders that are paid or shipped. */
  readonly revenueCents: bigint;
}

/** Reads a file that `openReadModel` has created, even while another process writes to it. */
export function readSummary(path: string): Summary {
  return withDatabase(path, true, (database) => {
    const rows = database.all(
      'SELECT status, count(*) AS orders, sum(total_cents) AS cents FROM orders GROUP BY status ORDER BY status',
    );
    const byStatus = rows.map(({ status, orders, cents }) => ({
      status: status as string,
      orders: Number(orders),
      cents: bigintOf(cents),
    }));
    const paid = byStatus.filter(({ status }) => status === 'paid' || status === 'shipped');
    const revenueCents = paid.reduce((sum, { cents }) => sum + cents, 0n);
    return { cursor: cursorIn(database), byStatus, revenueCents };
  });
}

/** SQLite returns integers as numbers if they are exact, else as bigints. */
function bigintOf(value: unknown): bigint {
  return BigInt(value as number | bigint);
}
