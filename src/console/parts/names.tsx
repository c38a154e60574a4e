import type { VNode } from 'preact';
import { addressOf } from './route';
import { shown } from './shown';

/** The name of a stream, which leads to its page. */
export function StreamLink({ name }: { readonly name: string | undefined }): VNode {
  return (
    <a class="mono wrap" href={addressOf(['stream', name ?? ''])}>
      <bdi>{shown(name ?? '')}</bdi>
    </a>
  );
}

/** The version of an event, which leads to its page. */
export function EventLink({
  stream,
  version,
}: {
  readonly stream?: string | undefined;
  readonly version?: string | undefined;
}): VNode {
  return (
    <a
      class="mono"
      href={addressOf(['event', stream ?? '', version ?? ''])}
      title="Permanent link of the event"
    >
      {version}
    </a>
  );
}

export function TypeName({ type }: { readonly type: string | undefined }): VNode {
  return <bdi class="type">{shown(type ?? '')}</bdi>;
}

export function State({ state }: { readonly state: string | undefined }): VNode | null {
  const word = (state ?? 'STREAM_STATE_UNSPECIFIED').replace('STREAM_STATE_', '').toLowerCase();
  if (word === 'unspecified') return null;
  return <span class={`badge ${word}`}>{word}</span>;
}
