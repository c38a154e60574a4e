import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { beginning, shown } from './shown';
import { grouped } from './numbers';

/** So many parts of an object or array are shown at first, and so many more on request. */
const partsMin = 50;
const stringLengthMin = 500;
/** Levels that are open at first; fewer if there is much. */
const openLevels = 2;

/** A JSON value that can be folded and unfolded. What is folded costs nothing. */
export function JsonTree({ value }: { readonly value: unknown }): VNode {
  return (
    <div class="json">
      <Value value={value} level={0} />
    </div>
  );
}

function Value({ value, level }: { readonly value: unknown; readonly level: number }): VNode {
  if (typeof value === 'string') return <Text text={value} />;
  if (typeof value !== 'object' || value === null) {
    return <span class={value === null ? 'json-null' : `json-${typeof value}`}>{String(value)}</span>;
  }
  return <Container value={value} level={level} />;
}

function Text({ text }: { readonly text: string }): VNode {
  const [length, setLength] = useState(stringLengthMin);
  const part = beginning(text, length);
  return (
    <>
      <bdi class="json-string">{shown(JSON.stringify(part))}</bdi>
      {part.length < text.length && (
        <button
          type="button"
          class="quiet"
          onClick={() => {
            setLength(length * 20);
          }}
        >
          {grouped(text.length - part.length)} more
        </button>
      )}
    </>
  );
}

function Container({ value, level }: { readonly value: object; readonly level: number }): VNode {
  const isList = Array.isArray(value);
  const keys = Object.keys(value);
  const [open, setOpen] = useState(level < openLevels && keys.length <= partsMin);
  const [count, setCount] = useState(partsMin);
  const [begin, end] = isList ? ['[', ']'] : ['{', '}'];
  if (keys.length === 0) return <span class="json-mark">{begin + end}</span>;
  const summary = `${grouped(keys.length)} ${isList ? 'item' : 'field'}${keys.length === 1 ? '' : 's'}`;
  return (
    <>
      <button
        type="button"
        class="fold"
        aria-expanded={open}
        onClick={() => {
          setOpen(!open);
        }}
      >
        <span class="json-mark">{begin}</span>
        {!open && <span class="faint"> {summary} </span>}
        {!open && <span class="json-mark">{end}</span>}
        <span class="offscreen">{open ? 'fold' : 'unfold'}</span>
      </button>
      {open && (
        <ul class="json-parts">
          {keys.slice(0, count).map((key) => (
            <li key={key}>
              {!isList && <bdi class="json-key">{shown(beginning(key, stringLengthMin))}</bdi>}
              {!isList && <span class="json-mark">: </span>}
              <Value value={(value as Record<string, unknown>)[key]} level={level + 1} />
            </li>
          ))}
          {count < keys.length && (
            <li>
              <button
                type="button"
                class="quiet"
                onClick={() => {
                  setCount(count + 10 * partsMin);
                }}
              >
                {grouped(keys.length - count)} more
              </button>
            </li>
          )}
        </ul>
      )}
      {open && <span class="json-mark">{end}</span>}
    </>
  );
}
