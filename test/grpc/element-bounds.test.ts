import { elementBounds } from '../../src/grpc/element-bounds';
import { requestFields } from '../wire/contract-fields';

test('every repeated field of a request has a bound on its elements, and no other field has', () => {
  const services = ['EventStoreService', 'ConsumerGroupService', 'StreamService'] as const;
  const inContract = services
    .flatMap((service) => [...requestFields(service).values()].flat())
    .filter(({ isRepeated }) => isRepeated)
    .map(({ message, path }) => `${message}.${path.split('.').at(-1) ?? ''}`);
  const bounded = Object.entries(elementBounds).flatMap(([message, fields]) =>
    Object.keys(fields).map((name) => `${message}.${name}`),
  );
  expect(bounded.sort()).toEqual([...new Set(inContract)].sort());
});
