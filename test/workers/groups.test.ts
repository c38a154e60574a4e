import { newEvents } from '../support/attempts';
import { GroupMember } from '../support/group-member';
import { metricsOf } from '../support/metrics-page';
import { freePorts } from '../support/free-ports';
import { until } from '../support/nats-server';
import { connectWire } from '../support/wire-client';
import { startWithWorkers } from '../support/worker-processes';

test('members at both workers share a group, and their metrics are those of one gateway', async () => {
  const [port = 0] = await freePorts(1);
  const http = `127.0.0.1:${port.toString()}`;
  await using gateway = await startWithWorkers([`--http-listen=${http}`]);
  using wire = connectWire(gateway.address, { service: 'sluice.v1.ConsumerGroupService' });
  await wire.unary('CreateGroup', { group: 'g', settings: { lanes: 8 } });
  // Each has a connection of its own, and these go to the workers in turn.
  const members = Array.from({ length: 4 }, () => new GroupMember(gateway.address, { group: 'g' }));
  // While a lane moves, nobody has it.
  const lanes = (): string =>
    members
      .flatMap((member) => member.lanes)
      .sort()
      .join();
  await until(
    () => members.every((member) => member.lanes.length > 0) && lanes() === '0,1,2,3,4,5,6,7',
    20_000,
  );
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      gateway.client.append({ stream: `s.${i.toString()}`, events: newEvents(1) }),
    ),
  );
  const delivered = (): string[] => members.flatMap((member) => member.delivered.map(({ stream }) => stream));
  await until(() => delivered().length === 40);
  expect(new Set(delivered()).size).toBe(40);
  await until(async () => {
    const page = await metricsOf(`http://${http}`);
    return page.value('sluice_group_members') === 4 && page.value('sluice_group_deliveries_total') === 40;
  });
  for (const member of members) expect(await member.leave()).toBeUndefined();
}, 120_000);
