import { openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { acknowledge, GroupMember, type Decide } from '../support/group-member';

/** Long enough for several to be under way when something is killed. */
const handlingMsMax = 100;
const retryShare = 0.05;
const rejoinMs = 200;

/**
 * A process that is a member of a group: `journal group parkShare address...`. It joins again whenever its call ends, at each of the
 * gateways in turn, until SIGTERM. The journal gets what it observes as lines of JSON, before the gateway learns of it.
 */
async function main([
  journal = '',
  group = '',
  parkShare = '',
  ...addresses
]: readonly string[]): Promise<void> {
  const file = openSync(journal, 'a');
  let isStopped = false;
  let last: GroupMember | undefined;
  process.on('SIGTERM', () => {
    isStopped = true;
    last?.say({ leave: {} });
  });
  const hasStopped = (): boolean => isStopped;
  for (let turn = process.pid; !hasStopped(); turn++) {
    using member = new GroupMember(
      addresses[turn % addresses.length] as string,
      { group },
      deciding(Number(parkShare)),
    );
    member.onObserved = (observed) => void writeSync(file, `${JSON.stringify(observed)}\n`);
    last = member;
    await member.ended;
    if (!hasStopped()) await sleep(rejoinMs);
  }
}

/** Takes a moment, and then acknowledges most. */
function deciding(parkShare: number): Decide {
  return async (delivery) => {
    await sleep(Math.random() * handlingMsMax);
    const { id, versions } = delivery;
    const failure = {
      delivery: id,
      handled: Math.floor(Math.random() * versions.length),
      reason: 'by chance',
    };
    const chance = Math.random();
    if (chance < parkShare) return { park: failure };
    return chance < parkShare + retryShare ? { retry: failure } : acknowledge(delivery);
  };
}

void main(process.argv.slice(2)).then(() => process.exit(0));
