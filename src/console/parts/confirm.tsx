import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { Field } from './page';

interface Props {
  /** What the button says. */
  readonly label: string;
  /** What has to be typed. */
  readonly word: string;
  /** What will happen, in a sentence. */
  readonly what: string;
  readonly onConfirm: () => Promise<void>;
  readonly danger?: boolean | undefined;
  readonly disabled?: boolean | undefined;
}

/** An action that happens only when somebody has typed what it concerns. */
export function Confirm({ label, word, what, onConfirm, danger = false, disabled = false }: Props): VNode {
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const id = `confirm-${label.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`;
  const confirm = async (): Promise<void> => {
    setBusy(true);
    await onConfirm();
    setBusy(false);
    setOpen(false);
    setTyped('');
  };
  if (!open) {
    return (
      <button
        type="button"
        class={danger ? 'danger' : ''}
        disabled={disabled}
        onClick={() => {
          setOpen(true);
        }}
      >
        {label}
      </button>
    );
  }
  return (
    <form
      class={danger ? 'confirm dangerous' : 'confirm'}
      aria-label={`Confirm: ${label}`}
      onSubmit={(event) => {
        event.preventDefault();
        if (typed === word) void confirm();
      }}
    >
      <p class="wrap">{what}</p>
      <Field label={`Type ${word} to confirm`} name={id} value={typed} onInput={setTyped} wide />
      <div class="bar">
        <button type="submit" class={danger ? 'danger' : ''} disabled={typed !== word || busy}>
          {label}
        </button>
        <button
          type="button"
          class="quiet"
          onClick={() => {
            setOpen(false);
            setTyped('');
          }}
        >
          Cancel
        </button>
      </div>
    </form>
  );
}
