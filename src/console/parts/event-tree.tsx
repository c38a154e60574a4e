import type { VNode } from 'preact';
import type { Node } from '../reads/causation-tree';
import type { RecordedEvent } from '../wire/messages';
import { EventLink, StreamLink, TypeName } from './names';
import { Time } from './time';

interface Props {
  readonly nodes: readonly Node[];
  readonly current?: RecordedEvent | undefined;
  readonly level?: number | undefined;
}

/** Deeper levels stand below each other, so that a long chain stays readable. */
const indentedLevels = 12;

/** Events below those that caused them. */
export function EventTree({ nodes, current, level = 0 }: Props): VNode | null {
  if (nodes.length === 0) return null;
  return (
    <ul class={level === 0 ? 'tree' : ''}>
      {nodes.map(({ event, children }) => (
        <li key={`${event.stream ?? ''} ${event.version ?? ''}`}>
          <div
            class={isSame(event, current) ? 'node current' : 'node'}
            aria-current={isSame(event, current) ? 'true' : undefined}
          >
            <TypeName type={event.type} />
            <StreamLink name={event.stream} />
            <EventLink stream={event.stream} version={event.version} />
            <Time at={event.commitTime} />
          </div>
          <EventTree
            nodes={level === indentedLevels ? flattened(children) : children}
            current={current}
            level={level + 1}
          />
        </li>
      ))}
    </ul>
  );
}

function isSame(event: RecordedEvent, other: RecordedEvent | undefined): boolean {
  return other !== undefined && event.stream === other.stream && event.version === other.version;
}

function flattened(nodes: readonly Node[]): Node[] {
  const flat: Node[] = [];
  const left = nodes.slice().reverse();
  for (let node = left.pop(); node !== undefined; node = left.pop()) {
    flat.push({ event: node.event, children: [] });
    left.push(...node.children.slice().reverse());
  }
  return flat;
}
