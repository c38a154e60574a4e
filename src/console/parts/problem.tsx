import type { VNode } from 'preact';
import { CallError } from '../wire/call-error';
import { token } from '../wire/token';
import { addressOf } from './route';
import { shown } from './shown';

/** An error of a call, in the words of the gateway, and what to do about it. */
export function Problem({
  error,
  again,
}: {
  readonly error: unknown;
  readonly again?: () => void;
}): VNode | null {
  if (error === undefined) return null;
  const known = error instanceof CallError ? error : undefined;
  const message = error instanceof Error ? error.message : 'the page failed';
  const hint = hintFor(known);
  return (
    <div class="problem" role="alert">
      <p class="problem-title">
        {titleOf(known)}
        {known !== undefined && <code class="code">{known.details.reason || known.code}</code>}
      </p>
      <p class="wrap">{shown(message)}</p>
      {known?.details.fields.map(({ field, problem }) => (
        <p class="wrap" key={field}>
          <code>{shown(field)}</code> {shown(problem)}
        </p>
      ))}
      {hint !== undefined && <p class="hint">{hint}</p>}
      {again !== undefined && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

const titles: Readonly<Record<string, string>> = {
  unauthenticated: 'The gateway does not know you',
  permission_denied: 'You may not do this',
  invalid_argument: 'The request is not valid',
  aborted: 'Conflict',
  not_found: 'Not found',
  unavailable: 'The gateway cannot do this now',
  unreachable: 'No response',
  resource_exhausted: 'Too much at a time',
  data_loss: 'A stored message cannot be read',
  failed_precondition: 'This is not possible now',
};

function titleOf(error: CallError | undefined): string {
  return (error && titles[error.code]) ?? 'The call failed';
}

function hintFor(error: CallError | undefined): VNode | undefined {
  if (error?.code === 'unauthenticated') {
    const text = token() === undefined ? 'Enter a token.' : 'Enter another token.';
    return <a href={addressOf(['token'])}>{text}</a>;
  }
  if (error?.code !== 'permission_denied') return undefined;
  return (
    <span>
      The auth file of the gateway decides. <a href={addressOf(['token'])}>Use another token</a>.
    </span>
  );
}
