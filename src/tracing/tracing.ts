import { propagation, ROOT_CONTEXT, trace, type Context, type TextMapGetter } from '@opentelemetry/api';
import { CallSpan } from './call-span';
import { hasSdk } from './sdk';

/** The metadata of a call, as gRPC has it. */
export interface Carrier {
  get(key: string): readonly unknown[];
  toJSON(): object;
}

/** Makes the spans of calls. */
export interface Tracing {
  /** Of a call with this path, as a child of the span that its metadata names, if it does. */
  begin(path: string, metadata: Carrier): CallSpan;
}

const getter: TextMapGetter<Carrier> = {
  get: (carrier, key) => {
    const [value] = carrier.get(key);
    return typeof value === 'string' ? value : undefined;
  },
  keys: (carrier) => Object.keys(carrier.toJSON()),
};

/** undefined: this process has no SDK of OpenTelemetry, so that nobody would get the spans. */
export function openTracing(version: string): Tracing | undefined {
  if (!hasSdk()) return undefined;
  const tracer = trace.getTracer('sluice', version);
  return {
    begin(path, metadata) {
      const parent: Context = propagation.extract(ROOT_CONTEXT, metadata, getter);
      return new CallSpan(tracer, path, parent);
    },
  };
}
