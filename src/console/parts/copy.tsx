import type { VNode } from 'preact';
import { useState } from 'preact/hooks';

/** Copies a text. */
export function Copy({ text, what }: { readonly text: string; readonly what: string }): VNode {
  const [done, setDone] = useState<'copied' | 'failed' | undefined>();
  const copy = (): void => {
    copyText(text)
      .then(
        () => 'copied' as const,
        () => 'failed' as const,
      )
      .then((result) => {
        setDone(result);
        setTimeout(() => {
          setDone(undefined);
        }, 1_500);
      })
      .catch(() => undefined);
  };
  return (
    <button type="button" class="quiet copy" onClick={copy} aria-label={`Copy ${what}`}>
      <span aria-live="polite">{done ?? 'copy'}</span>
    </button>
  );
}

/** Browsers have a clipboard only on secure origins; elsewhere the old way is left. */
async function copyText(text: string): Promise<void> {
  if (isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'offscreen';
  document.body.append(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- there is no other way on a plain origin
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error('the browser does not copy');
}
