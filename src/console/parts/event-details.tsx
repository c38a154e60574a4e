import type { ComponentChildren, VNode } from 'preact';
import type { RecordedEvent } from '../wire/messages';
import { Copy } from './copy';
import { EventLink } from './names';
import { grouped } from './numbers';
import { Payload } from './payload';
import { addressOf } from './route';
import { shown } from './shown';
import { Time } from './time';

/** All that an event has. */
export function EventDetails({ event }: { readonly event: RecordedEvent }): VNode {
  const {
    id = '',
    stream = '',
    version = '',
    position = '',
    contentType,
    correlationId,
    causationId,
  } = event;
  return (
    <div class="details">
      <Payload event={event} />
      <dl class="facts">
        <Fact name="Event id">
          <bdi class="mono wrap">{shown(id)}</bdi> <Copy text={id} what="the event id" />
        </Fact>
        <Fact name="Version">
          <EventLink stream={stream} version={version} />
        </Fact>
        <Fact name="Position">
          <a class="mono" href={addressOf(['search'], { q: position, by: 'position' })}>
            {grouped(position)}
          </a>
        </Fact>
        <Fact name="Committed">
          <Time at={event.commitTime} />
        </Fact>
        {correlationId !== undefined && <IdFact name="Correlation" id={correlationId} own={id} />}
        {causationId !== undefined && <IdFact name="Causation" id={causationId} own={id} />}
        {contentType !== undefined && (
          <Fact name="Content type">
            <bdi class="wrap">{shown(contentType)}</bdi>
          </Fact>
        )}
        <Tags tags={event.tags} />
        <Metadata metadata={event.metadata} />
      </dl>
    </div>
  );
}

export function Fact({
  name,
  children,
}: {
  readonly name: string;
  readonly children: ComponentChildren;
}): VNode {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function IdFact({
  name,
  id,
  own,
}: {
  readonly name: string;
  readonly id: string;
  readonly own: string;
}): VNode {
  const isOwn = id === own;
  return (
    <Fact name={name}>
      {isOwn ? <span class="faint">this event, a root</span> : <bdi class="mono wrap">{shown(id)}</bdi>}{' '}
      {!isOwn && <Copy text={id} what={`the ${name.toLowerCase()} id`} />}{' '}
      {name === 'Correlation' && (
        <a href={addressOf(['search'], { q: id, by: 'correlation' })}>all its events</a>
      )}
    </Fact>
  );
}

export function Tags({ tags = [] }: { readonly tags?: readonly string[] | undefined }): VNode | null {
  if (tags.length === 0) return null;
  return (
    <Fact name="Tags">
      <ul class="tags">
        {tags.map((tag, i) => (
          <li key={i}>
            <a class="tag" href={addressOf(['search'], { q: tag, by: 'tag' })}>
              <bdi>{shown(tag)}</bdi>
            </a>
          </li>
        ))}
      </ul>
    </Fact>
  );
}

function Metadata({
  metadata = {},
}: {
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}): VNode | null {
  const pairs = Object.entries(metadata);
  if (pairs.length === 0) return null;
  return (
    <Fact name="Metadata">
      <ul class="pairs">
        {pairs.map(([key, value]) => (
          <li key={key}>
            <bdi class="mono faint wrap">{shown(key)}</bdi> <bdi class="mono wrap">{shown(value)}</bdi>
          </li>
        ))}
      </ul>
    </Fact>
  );
}
