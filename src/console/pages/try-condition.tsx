import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { EventTable } from '../parts/event-table';
import { grouped } from '../parts/numbers';
import { Field, Form } from '../parts/page';
import { Problem } from '../parts/problem';
import { SameAs } from '../parts/same-as';
import { conditionRequest, tryCondition, type Condition, type ConditionResult } from '../reads/try-condition';

/** Whether a condition would refuse an append: the read on which a gateway decides. */
export function TryCondition(): VNode {
  const [tags, setTags] = useState('');
  const [types, setTypes] = useState('');
  const [after, setAfter] = useState('');
  const [result, setResult] = useState<{ readonly done?: ConditionResult; readonly error?: unknown }>({});
  const condition: Condition = { types: words(types), tags: words(tags), after: after.trim() };
  const isEmpty = condition.types.length === 0 && condition.tags.length === 0;
  const attempt = async (): Promise<void> => {
    try {
      setResult({ done: await tryCondition(condition, new AbortController().signal) });
    } catch (error) {
      setResult({ error });
    }
  };
  return (
    <section aria-labelledby="condition">
      <h2 id="condition">A condition</h2>
      <Form
        label="Condition to try"
        onSubmit={() => {
          if (!isEmpty) void attempt();
        }}
      >
        <Field
          label="No event with all of these tags"
          name="tags"
          value={tags}
          onInput={setTags}
          placeholder="course:c1 student:s1"
        />
        <Field label="Of these types" name="types" value={types} onInput={setTypes} placeholder="any" />
        <Field label="After position" name="after" value={after} onInput={setAfter} placeholder="0" />
        <button type="submit" disabled={isEmpty}>
          Try the condition
        </button>
      </Form>
      <Problem error={result.error} />
      {result.done !== undefined && <ConditionOutcome result={result.done} />}
      <SameAs
        commands={{
          method: 'EventStoreService/ReadAll',
          request: conditionRequest(isEmpty ? { ...condition, tags: ['…'] } : condition),
          sluice: undefined,
        }}
      />
    </section>
  );
}

function words(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

function ConditionOutcome({ result: { event, position } }: { readonly result: ConditionResult }): VNode {
  if (event === undefined) {
    return (
      <div class="outcome good" role="status">
        <p class="problem-title">It would be accepted</p>
        <p>No event is selected up to position {grouped(position)}. Nothing was stored.</p>
      </div>
    );
  }
  return (
    <>
      <div class="outcome bad" role="alert">
        <p class="problem-title">It would be refused</p>
        <p>The first event that is selected has position {grouped(event.position)}.</p>
      </div>
      <EventTable events={[event]} withStream label="The event that refuses it" />
    </>
  );
}
