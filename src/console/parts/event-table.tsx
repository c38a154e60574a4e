import { Component, type ComponentChildren, type VNode } from 'preact';
import type { RecordedEvent } from '../wire/messages';
import { EventDetails } from './event-details';
import { EventLink, StreamLink, TypeName } from './names';
import { grouped } from './numbers';
import { PayloadLine } from './payload';
import { Time } from './time';

interface TableProps {
  readonly events: readonly RecordedEvent[];
  /** Whether to name the stream of each event. */
  readonly withStream?: boolean | undefined;
  readonly label: string;
}

/** Events as rows that unfold. */
export function EventTable({ events, withStream = false, label }: TableProps): VNode {
  return (
    <div class="scroll">
      <table class="events" aria-label={label}>
        <thead>
          <tr>
            <th scope="col" class="narrow">
              <span class="offscreen">Unfold</span>
            </th>
            {withStream && <th scope="col">Stream</th>}
            <th scope="col" class="number">
              Version
            </th>
            <th scope="col">Type</th>
            <th scope="col" class="wide">
              Payload
            </th>
            <th scope="col">Committed</th>
            <th scope="col" class="number">
              Position
            </th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <EventRow key={keyOf(event)} event={event} withStream={withStream} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function keyOf({ stream, version }: RecordedEvent): string {
  return `${stream ?? ''} ${version ?? ''}`;
}

interface RowProps {
  readonly event: RecordedEvent;
  readonly withStream: boolean;
}

/** A class, since a row whose event is the same need not be made again: many come at a time. */
class EventRow extends Component<RowProps, { open: boolean }> {
  override state = { open: false };

  override shouldComponentUpdate(next: Readonly<RowProps>, state: { open: boolean }): boolean {
    return next.event !== this.props.event || state.open !== this.state.open;
  }

  override render({ event, withStream }: RowProps, { open }: { open: boolean }): ComponentChildren {
    const { stream, version } = event;
    const toggle = (): void => {
      this.setState({ open: !open });
    };
    return (
      <>
        <tr class={open ? 'open' : ''}>
          <td class="narrow">
            <button
              type="button"
              class="unfold"
              aria-expanded={open}
              onClick={toggle}
              aria-label={`Version ${version ?? ''} in full`}
            />
          </td>
          {withStream && (
            <td class="stream-cell" data-label="Stream">
              <StreamLink name={stream} />
            </td>
          )}
          <td class="number" data-label="Version">
            <EventLink stream={stream} version={version} />
          </td>
          <td class="type-cell">
            <TypeName type={event.type} />
          </td>
          <td class="wide">
            <PayloadLine event={event} />
          </td>
          <td class="time-cell">
            <Time at={event.commitTime} />
          </td>
          <td class="number position-cell" data-label="Position">
            {grouped(event.position)}
          </td>
        </tr>
        {open && (
          <tr class="unfolded">
            <td colSpan={withStream ? 7 : 6}>
              <EventDetails event={event} />
            </td>
          </tr>
        )}
      </>
    );
  }
}
