import type { ComponentChildren, VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Confirm } from '../parts/confirm';
import { grouped } from '../parts/numbers';
import { Field } from '../parts/page';
import { Problem } from '../parts/problem';
import { call } from '../wire/connect';
import type { StreamDescription, TruncateStreamResponse } from '../wire/messages';

interface Props {
  readonly stream: StreamDescription;
  readonly again: () => void;
}

const isNumber = (text: string): boolean => /^[1-9]\d{0,15}$/.test(text);

/** The four changes. Each expects the version that is shown, so that it never concerns events that nobody has seen. */
export function ActionForms({ stream, again }: Props): VNode {
  const [result, setResult] = useState<{ text?: string; error?: unknown }>({});
  const act = async (
    done: string,
    change: (signal: AbortSignal) => Promise<TruncateStreamResponse>,
  ): Promise<void> => {
    try {
      const { changed } = await change(new AbortController().signal);
      setResult({ text: changed === true ? done : 'The stream was like this already: nothing was changed.' });
    } catch (error) {
      setResult({ error });
    }
    again();
  };
  const isEnded = stream.state === 'STREAM_STATE_TOMBSTONED';
  return (
    <>
      <p class="done" role="status">
        {result.text}
      </p>
      <Problem error={result.error} />
      <div class="actions">
        <Truncate stream={stream} act={act} disabled={isEnded} />
        <Erase stream={stream} act={act} />
        <Delete stream={stream} act={act} disabled={isEnded || stream.state === 'STREAM_STATE_DELETED'} />
        <Tombstone stream={stream} act={act} disabled={isEnded} />
      </div>
    </>
  );
}

interface ActionProps {
  readonly stream: StreamDescription;
  readonly act: (
    done: string,
    change: (signal: AbortSignal) => Promise<TruncateStreamResponse>,
  ) => Promise<void>;
  readonly disabled?: boolean | undefined;
}

function Action({
  title,
  text,
  children,
}: {
  readonly title: string;
  readonly text: string;
  readonly children: ComponentChildren;
}): VNode {
  return (
    <section class="action" aria-label={title}>
      <h2>{title}</h2>
      <p>{text}</p>
      {children}
    </section>
  );
}

function Truncate({ stream: { stream = '', version }, act, disabled }: ActionProps): VNode {
  const [before, setBefore] = useState('');
  return (
    <Action title="Truncate" text="Hides the events before a version, for every reader. Versions go on.">
      <Field label="Hide events before version" name="before" value={before} onInput={setBefore} />
      <Confirm
        label="Truncate"
        word={stream}
        what={`Hides the events of ${stream} before version ${before}.`}
        danger
        disabled={disabled === true || !isNumber(before)}
        onConfirm={() =>
          act(`Events before version ${before} are hidden.`, (signal) =>
            call(
              'StreamService/TruncateStream',
              { stream, beforeVersion: before, expectedVersion: version },
              signal,
            ),
          )
        }
      />
    </Action>
  );
}

function Erase({ stream: { stream = '', version }, act }: ActionProps): VNode {
  const [from, setFrom] = useState('');
  const [to, setTo] = useState('');
  const [reason, setReason] = useState('');
  return (
    <Action
      title="Erase"
      text="Overwrites payload, metadata, tags and ids of events, for ever. Versions and types stay. A record remains of who did it and why."
    >
      <div class="pair">
        <Field label="From version" name="erase-from" value={from} onInput={setFrom} />
        <Field label="To version" name="erase-to" value={to} onInput={setTo} />
      </div>
      <Field
        label="Reason, for the record"
        name="reason"
        value={reason}
        onInput={setReason}
        placeholder="request 4711"
      />
      <Confirm
        label="Erase"
        word={stream}
        what={`Erases versions ${from} to ${to} of ${stream}, for ever.`}
        danger
        disabled={!isNumber(from) || !isNumber(to) || reason.trim() === ''}
        onConfirm={() =>
          act(`Versions ${from} to ${to} are erased.`, (signal) => {
            const range = { stream, fromVersion: from, toVersion: to, reason: reason.trim() };
            return call('StreamService/EraseEvents', { ...range, expectedVersion: version }, signal);
          })
        }
      />
    </Action>
  );
}

function Delete({ stream: { stream = '', version }, act, disabled }: ActionProps): VNode {
  return (
    <Action title="Delete" text="Hides all events. The next append goes on with the next version.">
      <Confirm
        label="Delete"
        word={stream}
        what={`Hides all ${grouped(version)} versions of ${stream}.`}
        danger
        disabled={disabled === true}
        onConfirm={() =>
          act('The stream is deleted.', (signal) =>
            call('StreamService/DeleteStream', { stream, expectedVersion: version }, signal),
          )
        }
      />
    </Action>
  );
}

function Tombstone({ stream: { stream = '', version }, act, disabled }: ActionProps): VNode {
  return (
    <Action
      title="Tombstone"
      text="Deletes the stream for ever: every later append is refused. It cannot be undone."
    >
      <Confirm
        label="Tombstone"
        word={stream}
        what={`Ends ${stream} for ever.`}
        danger
        disabled={disabled === true}
        onConfirm={() =>
          act('The stream is tombstoned.', (signal) =>
            call('StreamService/TombstoneStream', { stream, expectedVersion: version }, signal),
          )
        }
      />
    </Action>
  );
}
