import { isPatchedNode, nodeVersions } from '../../src/versions';
import { engines } from '../../package.json';

test('package.json asks for the releases of Node.js that the gateway does not warn of', () => {
  expect(engines.node).toBe(nodeVersions);
  expect(nodeVersions).toBe('>=20.20.2 <21 || >=22.22.2 <23 || >=24.14.1');
});

test.each([
  [true, ['20.20.2', '20.21.0', '22.22.2', '22.23.0', '24.14.1', '24.15.0', '25.0.0', '26.12.1']],
  [false, ['18.20.8', '20.20.1', '20.12.0', '21.7.3', '22.22.1', '23.11.1', '24.14.0']],
])('patched %s: %j', (expected, versions) => {
  for (const version of versions) expect(isPatchedNode(version)).toBe(expected);
});
