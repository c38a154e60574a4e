import {
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Link,
  type Span,
  type Tracer,
  ROOT_CONTEXT,
} from '@opentelemetry/api';
import type { Notes, OpenPart, PartName, Trace } from '../store/trace';

/** How a call has ended. */
export interface CallEnd {
  /** The number of its gRPC status. */
  readonly status: number;
  /** The reason of the error; undefined: it succeeded. */
  readonly reason: string | undefined;
}

/** A span of somebody else, as W3C Trace Context names it. */
export interface NamedSpan {
  readonly traceparent: string;
  readonly tracestate: string;
}

/** The statuses that are failures of the server, by the conventions of OpenTelemetry: for the others the caller is to blame. */
const failures: readonly number[] = [2, 4, 12, 13, 14, 15];

/** The span of a call, or of an append of a session. Its parts are spans below it. */
export class CallSpan implements Trace {
  private readonly span: Span;
  private readonly context: Context;

  constructor(
    private readonly tracer: Tracer,
    private readonly path: string,
    parent: Context,
    links: Link[] = [],
  ) {
    const [service = '', method = ''] = path.slice(1).split('/');
    const attributes = { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': method };
    const name = links.length === 0 ? path.slice(1) : `${path.slice(1)} append`;
    this.span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes, links }, parent);
    this.context = trace.setSpan(parent, this.span);
  }

  /**
   * The span of one append of this session, with a link to the session, which may have millions of them. It is a child of the span that
   * the caller names; undefined: it begins a trace.
   */
  beginAppend(named: NamedSpan | undefined): CallSpan {
    const parent = named === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, named);
    return new CallSpan(this.tracer, this.path, parent, [{ context: this.span.spanContext() }]);
  }

  get traceId(): string {
    return this.span.spanContext().traceId;
  }

  note(notes: Notes): void {
    this.span.setAttributes(notes);
  }

  begin(part: PartName, notes?: Notes): OpenPart {
    if (!this.span.isRecording()) return noPart;
    const kind = part === 'publish' ? SpanKind.PRODUCER : SpanKind.INTERNAL;
    const attributes: Attributes = { ...(part === 'publish' && messaging), ...notes };
    return new PartSpan(this.tracer.startSpan(part, { kind, attributes }, this.context));
  }

  end({ status, reason }: CallEnd): void {
    this.span.setAttribute('rpc.grpc.status_code', status);
    if (reason !== undefined) this.span.setAttribute('error.type', reason);
    if (failures.includes(status)) this.span.setStatus({ code: SpanStatusCode.ERROR });
    this.span.end();
  }
}

const messaging = {
  'messaging.system': 'nats',
  'messaging.operation.type': 'send',
  'messaging.operation.name': 'publish',
};

class PartSpan implements OpenPart {
  constructor(private readonly span: Span) {}

  note(notes: Notes): void {
    this.span.setAttributes(notes);
  }

  end(error?: unknown): void {
    if (error !== undefined) {
      const { code, name } = error as { readonly code?: unknown; readonly name?: string };
      this.span.setAttribute('error.type', typeof code === 'string' ? code : (name ?? 'Error'));
      this.span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.span.end();
  }
}

const noPart: OpenPart = { note: () => undefined, end: () => undefined };
