import {
  context,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
} from '@opentelemetry/api';
import { Metadata, status } from '@grpc/grpc-js';
import type { TraceContext } from '../../generated/sluice/v1/event_store_service';
import { hasSdk } from '../tracing/sdk';

/** The span of one call to a gateway. */
export interface ClientSpan {
  /** The metadata of the call, and what makes the span of the gateway a child of this one. */
  metadataOf(metadata: Metadata): Metadata;
  /** The same for an append of a session; undefined: the propagator of the SDK does not name spans as W3C does. */
  readonly traceContext: TraceContext | undefined;
  /** `code`: the number of the gRPC status that it has ended with. */
  end(code: number): void;
}

/**
 * Begins the span of a call, or of an append of a session with this path, below the span that is active; undefined: this process has no
 * SDK of OpenTelemetry.
 */
export function beginSpan(path: string, what: 'call' | 'append' = 'call'): ClientSpan | undefined {
  if (!hasSdk()) return undefined;
  const [service = '', method = ''] = path.slice(1).split('/');
  const attributes = { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': method };
  const name = what === 'call' ? path.slice(1) : `${path.slice(1)} append`;
  const span = trace.getTracer('sluice').startSpan(name, { kind: SpanKind.CLIENT, attributes });
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
    get traceContext() {
      const { traceparent, tracestate = '' } = namesIn(trace.setSpan(context.active(), span));
      return traceparent === undefined ? undefined : { traceparent, tracestate };
    },
    end(code) {
      endSpan(span, code);
    },
  };
}

function endSpan(span: Span, code: number): void {
  span.setAttribute('rpc.grpc.status_code', code);
  const ok: number = status.OK;
  if (code !== ok) {
    span.setAttribute('error.type', status[code] ?? String(code));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

/** The active span as W3C names it, for the metadata of an event: `traceparent`, and `tracestate` if there is one. */
export function activeTraceContext(): Readonly<Record<string, string>> {
  if (!hasSdk()) return {};
  const { traceparent, tracestate } = namesIn(context.active());
  if (traceparent === undefined) return {};
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

function namesIn(active: Context): Partial<TraceContext> {
  const carrier: Record<string, string> = {};
  propagation.inject(active, carrier);
  return carrier;
}
