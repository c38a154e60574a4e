import type { VNode } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { RecordedEvent } from '../wire/messages';
import { bytesOf } from '../wire/protobuf';
import { JsonTree } from './json-tree';
import { bytesText } from './numbers';
import { beginning, shown, shownLines } from './shown';

/** Of a payload that is longer, the rest is shown on request. */
const textLengthMin = 20_000;
const hexBytesMin = 1_024;

/** The beginning of a payload in one line, for rows. */
export function PayloadLine({ event }: { readonly event: RecordedEvent }): VNode {
  if (event.erased) return <span class="badge erased">erased</span>;
  if (event.binary !== undefined) {
    const length = Math.floor((event.binary.replace(/=+$/, '').length * 3) / 4);
    return <span class="faint">{bytesText(length)} of binary</span>;
  }
  return <bdi class="payload-line">{shown(beginning((event.text ?? '').replaceAll(/\s+/g, ' '), 200))}</bdi>;
}

/** A whole payload: JSON folded, other text as it is, bytes in hexadecimal. */
export function Payload({ event }: { readonly event: RecordedEvent }): VNode {
  const [raw, setRaw] = useState(false);
  const { text, binary } = event;
  const json = useMemo(() => parsed(text), [text]);
  if (event.erased) return <p class="faint">The contents of this event were erased.</p>;
  if (binary !== undefined) return <Hex base64={binary} />;
  if (text === undefined || text === '') return <p class="faint">No payload.</p>;
  return (
    <div class="payload">
      {json !== undefined && (
        <button
          type="button"
          class="quiet"
          aria-pressed={raw}
          onClick={() => {
            setRaw(!raw);
          }}
        >
          as stored
        </button>
      )}
      {json !== undefined && !raw ? <JsonTree value={json.value} /> : <LongText text={text} />}
    </div>
  );
}

function parsed(text: string | undefined): { value: unknown } | undefined {
  if (text === undefined || !/^\s*[[{]/.test(text)) return undefined;
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function LongText({ text }: { readonly text: string }): VNode {
  const [length, setLength] = useState(textLengthMin);
  const part = beginning(text, length);
  return (
    <>
      <pre class="text" tabIndex={0}>
        {shownLines(part)}
      </pre>
      {part.length < text.length && (
        <More
          text={`${bytesText(text.length - part.length)} more`}
          onClick={() => {
            setLength(length * 8);
          }}
        />
      )}
    </>
  );
}

function Hex({ base64 }: { readonly base64: string }): VNode {
  const [count, setCount] = useState(hexBytesMin);
  const bytes = useMemo(() => bytesOf(base64), [base64]);
  return (
    <>
      <pre class="hex" tabIndex={0} aria-label="The payload in hexadecimal">
        {hexLines(bytes.subarray(0, count))}
      </pre>
      {count < bytes.length && (
        <More
          text={`${bytesText(bytes.length - count)} more`}
          onClick={() => {
            setCount(count * 8);
          }}
        />
      )}
    </>
  );
}

export function More({ text, onClick }: { readonly text: string; readonly onClick: () => void }): VNode {
  return (
    <button type="button" class="quiet" onClick={onClick}>
      {text}
    </button>
  );
}

/** Offset, 16 bytes, and their ASCII. */
export function hexLines(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0'));
    const left = hex.slice(0, 8).join(' ').padEnd(23);
    const right = hex.slice(8).join(' ').padEnd(23);
    const text = row.map((byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${left}  ${right}  ${text}`);
  }
  return lines.join('\n');
}
