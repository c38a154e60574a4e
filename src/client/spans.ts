import { context, propagation, SpanKind, SpanStatusCode, trace, type Span } from '@opentelemetry/api';
import { Metadata, status } from '@grpc/grpc-js';
import { hasSdk } from '../tracing/sdk';

/** The span of one call to a gateway. */
export interface ClientSpan {
  /** The metadata of the call, and what makes the span of the gateway a child of this one. */
  metadataOf(metadata: Metadata): Metadata;
  /** `code`: the gRPC status that the call has ended with. */
  end(code: status): void;
}

/** Begins the span of a call, below the one that is active; undefined: this process has no SDK of OpenTelemetry. */
export function beginSpan(path: string): ClientSpan | undefined {
  if (!hasSdk()) return undefined;
  const [service = '', method = ''] = path.slice(1).split('/');
  const attributes = { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': method };
  const span = trace.getTracer('sluice').startSpan(path.slice(1), { kind: SpanKind.CLIENT, attributes });
  return {
    metadataOf(metadata) {
      const own = metadata.clone();
      propagation.inject(trace.setSpan(context.active(), span), own, {
        set: (carrier, key, value) => {
          carrier.set(key, value);
        },
      });
      return own;
    },
    end(code) {
      endSpan(span, code);
    },
  };
}

function endSpan(span: Span, code: status): void {
  span.setAttribute('rpc.grpc.status_code', code);
  if (code !== status.OK) {
    span.setAttribute('error.type', status[code]);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

/** The active span as W3C names it, for the metadata of an event: `traceparent`, and `tracestate` if there is one. */
export function activeTraceContext(): Readonly<Record<string, string>> {
  const carrier: Record<string, string> = {};
  if (hasSdk()) propagation.inject(context.active(), carrier);
  const { traceparent, tracestate } = carrier;
  if (traceparent === undefined) return {};
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}
