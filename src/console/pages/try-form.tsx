import type { VNode } from 'preact';
import { Field, Form } from '../parts/page';
import type { Tried } from '../reads/try-append';

interface Props {
  readonly tried: Tried;
  readonly onChange: (tried: Tried) => void;
  readonly onSubmit: () => void;
}

const expectations = [
  ['version', 'is at a version'],
  ['exists', 'exists'],
  ['any', 'is at any version'],
] as const;

export function TryForm({ tried, onChange, onSubmit }: Props): VNode {
  const version = problemOf(tried.version, 'not a version');
  const after = problemOf(tried.after, 'not a position');
  const set = (name: keyof Tried) => (value: string) => {
    onChange({ ...tried, [name]: value });
  };
  return (
    <Form
      label="Append to try"
      onSubmit={() => {
        if (version === undefined && after === undefined) onSubmit();
      }}
    >
      <Field
        label="Stream"
        name="stream"
        value={tried.stream}
        required
        onInput={set('stream')}
        placeholder="order.42"
        wide
      />
      <Expects
        expects={tried.expects}
        onChange={(expects) => {
          onChange({ ...tried, expects });
        }}
      />
      {tried.expects === 'version' && (
        <Field
          label="Version"
          name="version"
          value={tried.version}
          placeholder="0: it is empty"
          problem={version}
          onInput={set('version')}
        />
      )}
      <Field
        label="No event with all of these tags"
        name="tags"
        value={tried.tags}
        onInput={set('tags')}
        placeholder="none: no condition"
      />
      <Field
        label="Of these types"
        name="types"
        value={tried.types}
        onInput={set('types')}
        placeholder="any"
      />
      <Field
        label="After position"
        name="after"
        value={tried.after}
        problem={after}
        onInput={set('after')}
        placeholder="0"
      />
      <button type="submit">Try</button>
    </Form>
  );
}

function Expects({
  expects,
  onChange,
}: {
  readonly expects: Tried['expects'];
  readonly onChange: (expects: Tried['expects']) => void;
}): VNode {
  return (
    <div class="field">
      <label for="expects">Expects that it</label>
      <select
        id="expects"
        value={expects}
        onChange={(event) => {
          const found = expectations.find(([value]) => value === event.currentTarget.value);
          onChange(found?.[0] ?? 'version');
        }}
      >
        {expectations.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

/** undefined: it is empty, or a number. */
function problemOf(text: string, problem: string): string | undefined {
  return text.trim() === '' || /^\d{1,16}$/.test(text.trim()) ? undefined : problem;
}
