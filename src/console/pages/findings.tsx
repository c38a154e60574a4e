import type { VNode } from 'preact';
import { shown } from '../parts/shown';
import { findingsOf } from '../reads/doctor';
import type { GetServerInfoResponse } from '../wire/server-info';

/** What `sluice doctor` warns of. */
export function Findings({ info }: { readonly info: GetServerInfoResponse }): VNode {
  const all = findingsOf(info);
  const wrong = all.filter(({ level }) => level !== 'ok');
  return (
    <section aria-labelledby="warnings">
      <h2 id="warnings">Warnings of doctor</h2>
      {wrong.length === 0 && <p class="good-text">None: {all.length} checks are in order.</p>}
      <ul class="findings">
        {wrong.map(({ check, level, message, remedy }) => (
          <li key={`${check} ${message}`} class={level}>
            <span class={`badge ${level}`}>{level === 'fail' ? 'wrong' : 'warning'}</span>
            <div>
              <p class="wrap">
                <b>{check}</b>: {shown(message)}
              </p>
              {remedy !== undefined && <p class="hint wrap">{shown(remedy)}</p>}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
