import { hasSdk } from '../../src/tracing/sdk';
import { openTracing } from '../../src/tracing/tracing';
import { trace } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

test('without an SDK there is no tracing; with one, there is', () => {
  expect(hasSdk()).toBe(false);
  trace.getTracer('one that somebody else asks for');
  expect(openTracing('0')).toBeUndefined();
  new NodeTracerProvider().register();
  expect(hasSdk()).toBe(true);
  expect(openTracing('0')).toBeDefined();
  trace.disable();
  expect(hasSdk()).toBe(false);
});
