import type { VNode } from 'preact';
import { Field, Form } from '../parts/page';
import type { AppendRequest } from '../wire/messages';

export interface Tried {
  readonly stream: string;
  readonly expects: 'version' | 'exists' | 'any';
  readonly version: string;
}

/** Without events: only the expectation is checked. */
export function requestOf({ stream, expects, version }: Tried): AppendRequest {
  return {
    stream: stream.trim(),
    expectedVersion: expects === 'version' ? (version.trim() === '' ? '0' : version.trim()) : undefined,
    mustExist: expects === 'exists' ? true : undefined,
  };
}

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
  const isWrong = tried.version.trim() !== '' && !/^\d{1,16}$/.test(tried.version.trim());
  return (
    <Form
      label="Append to try"
      onSubmit={() => {
        if (!isWrong) onSubmit();
      }}
    >
      <Field
        label="Stream"
        name="stream"
        value={tried.stream}
        required
        onInput={(stream) => {
          onChange({ ...tried, stream });
        }}
        placeholder="order.42"
        wide
      />
      <div class="field">
        <label for="expects">Expects that it</label>
        <select
          id="expects"
          value={tried.expects}
          onChange={(event) => {
            const found = expectations.find(([value]) => value === event.currentTarget.value);
            onChange({ ...tried, expects: found?.[0] ?? 'version' });
          }}
        >
          {expectations.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </div>
      {tried.expects === 'version' && (
        <Field
          label="Version"
          name="version"
          value={tried.version}
          placeholder="0: it is empty"
          problem={isWrong ? 'not a version' : undefined}
          onInput={(version) => {
            onChange({ ...tried, version });
          }}
        />
      )}
      <button type="submit">Try</button>
    </Form>
  );
}
