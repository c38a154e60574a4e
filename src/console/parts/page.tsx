import type { ComponentChildren, VNode } from 'preact';
import { useEffect } from 'preact/hooks';

interface PageProps {
  readonly title: string;
  /** What the title is of, above it: a link back. */
  readonly above?: ComponentChildren | undefined;
  /** The heading, if it is more than the title. */
  readonly heading?: ComponentChildren | undefined;
  readonly children: ComponentChildren;
}

/** A page with its heading, and its title in the browser. */
export function Page({ title, above, heading, children }: PageProps): VNode {
  useEffect(() => {
    document.title = `${title} · Sluice`;
  }, [title]);
  return (
    <>
      <header class="page-head">
        {above !== undefined && <p class="above">{above}</p>}
        <h1 tabIndex={-1}>{heading ?? title}</h1>
      </header>
      {children}
    </>
  );
}

/** Said while a call runs, and by screen readers. */
export function Busy({ busy }: { readonly busy: boolean }): VNode {
  return (
    <p class="busy" role="status">
      {busy ? 'Loading' : ''}
    </p>
  );
}

interface FieldProps {
  readonly label: string;
  readonly name: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly placeholder?: string | undefined;
  readonly hint?: string | undefined;
  readonly type?: 'password' | undefined;
  readonly required?: boolean | undefined;
  readonly problem?: string | undefined;
  readonly wide?: boolean | undefined;
}

/** A text field with its label. */
export function Field(props: FieldProps): VNode {
  const { label, name, value, onInput, placeholder, hint, required = false, problem, wide } = props;
  const described =
    problem !== undefined ? `${name}-problem` : hint !== undefined ? `${name}-hint` : undefined;
  const attributes = {
    id: name,
    name,
    value,
    placeholder,
    required,
    autocomplete: 'off',
    autocapitalize: 'off' as const,
    spellcheck: false,
    'aria-describedby': described,
    'aria-invalid': problem !== undefined,
    onInput: (event: { readonly currentTarget: HTMLInputElement }) => {
      onInput(event.currentTarget.value);
    },
  };
  return (
    <div class={wide === true ? 'field wide-field' : 'field'}>
      <label for={name}>{label}</label>
      {props.type === 'password' ? (
        <input {...attributes} type="password" />
      ) : (
        <input {...attributes} type="text" />
      )}
      {problem !== undefined ? (
        <p class="field-problem" id={`${name}-problem`}>
          {problem}
        </p>
      ) : (
        hint !== undefined && (
          <p class="hint" id={`${name}-hint`}>
            {hint}
          </p>
        )
      )}
    </div>
  );
}

/** A form that does not leave the page. */
export function Form({
  onSubmit,
  children,
  label,
}: {
  readonly onSubmit: () => void;
  readonly children: ComponentChildren;
  readonly label: string;
}): VNode {
  return (
    <form
      class="form"
      aria-label={label}
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      {children}
    </form>
  );
}
