import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Field, Form } from '../parts/page';
import type { Query } from '../parts/route';
import { useSetting } from '../parts/settings';
import { parseTime } from '../parts/time';
import { versionAsOf, type StreamPage } from '../reads/stream-page';
import { CallError } from '../wire/call-error';

interface Props {
  readonly name: string;
  readonly page: StreamPage;
  readonly onChange: (changes: Query) => void;
}

const timeHint = 'not a time such as 2026-11-25 16:15';

/** What of a stream to show: types, a version or time to jump to, and the time as of which to show it. */
export function StreamFilter({ name, page, onChange }: Props): VNode {
  const zone = useSetting('zone');
  const [types, setTypes] = useState(page.types.join(', '));
  const [jump, setJump] = useState(page.from ?? '');
  const [asOf, setAsOf] = useState(page.asOf ?? '');
  const [problems, setProblems] = useState<{ jump?: string; asOf?: string }>({});
  const submit = async (): Promise<void> => {
    const asOfTime = asOf.trim() === '' ? undefined : parseTime(asOf, zone);
    if (asOf.trim() !== '' && asOfTime === undefined) {
      setProblems({ asOf: timeHint });
      return;
    }
    const from = await versionOf(name, jump.trim(), zone);
    if ('problem' in from) {
      setProblems({ jump: from.problem });
      return;
    }
    setProblems({});
    const list = types.split(',').map((type) => type.trim());
    onChange({ types: list.filter((type) => type !== '').join(','), from: from.version, asOf: asOfTime });
  };
  return (
    <Form onSubmit={() => void submit()} label="What to show">
      <Field
        label="Types"
        name="types"
        value={types}
        onInput={setTypes}
        placeholder="OrderPlaced, OrderPaid"
      />
      <Field
        label="Jump to version or time"
        name="jump"
        value={jump}
        onInput={setJump}
        placeholder="1200 or 2026-11-25 16:15"
        problem={problems.jump}
      />
      <Field
        label="As of"
        name="asOf"
        value={asOf}
        onInput={setAsOf}
        placeholder="2026-11-25 16:15"
        problem={problems.asOf}
      />
      <button type="submit">Show</button>
    </Form>
  );
}

/** The version that is meant: itself, or that of the stream at a time. */
async function versionOf(
  name: string,
  text: string,
  zone: 'utc' | 'local',
): Promise<{ version: string | undefined } | { problem: string }> {
  if (text === '') return { version: undefined };
  if (/^\d+$/.test(text)) return /^0*$/.test(text) ? { problem: 'versions begin at 1' } : { version: text };
  const time = parseTime(text, zone);
  if (time === undefined) return { problem: `neither a version nor ${timeHint.slice(4)}` };
  try {
    const { version } = await versionAsOf(name, time, new AbortController().signal);
    return version === undefined ? { problem: 'the stream had no event yet' } : { version };
  } catch (error) {
    return { problem: error instanceof CallError ? error.message : 'the call failed' };
  }
}
