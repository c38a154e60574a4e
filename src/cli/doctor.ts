import { certificateExpiry, certificateFinding } from './certificate';
import { defineCommand, type Context } from './command';
import { exitCode } from './failure';
import { paint } from './output';
import type { Finding } from './finding';
import { findings } from './findings';
import { groupFindings } from './group-findings';
import { noWords } from './words';

export const doctorCommand = defineCommand({
  name: 'doctor',
  usage: '',
  summary: 'Check the gateway and its store; print each problem and what to do about it.',
  details:
    'The exit code is 1 if a check fails; a warning does not change it. If the gateway or NATS cannot be\n' +
    'reached, the exit code is 4, as for every command.',
  options: {},
  plan({ words, given }) {
    noWords(words);
    return async (context) => {
      const list = await check(context);
      if (!list.some(isFailure)) list.push(...(await groupFindings(context)));
      for (const finding of list) {
        if (given.json) await context.out.line(JSON.stringify(finding));
        else await print(context, finding);
      }
      return list.some(isFailure) ? exitCode.failure : exitCode.ok;
    };
  },
});

async function check({ client, address, tls, deadlineMs, signal, version }: Context): Promise<Finding[]> {
  const expiresAtMs = await certificateExpiry(address, tls, signal);
  const first = expiresAtMs === undefined ? [] : [certificateFinding(expiresAtMs, Date.now())];
  if (first.some(isFailure)) return first; // no call would succeed
  return [...first, ...findings(await client.serverInfo({ deadlineMs, signal }), version)];
}

function isFailure({ level }: Finding): boolean {
  return level === 'fail';
}

const styles = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

async function print({ out }: Context, { check, level, message, remedy }: Finding): Promise<void> {
  await out.line(paint(styles[level], level.padEnd(4)), `  ${check.padEnd(10)}  ${message}`);
  if (remedy !== undefined) await out.line(' '.repeat(18), paint('bold', `-> ${remedy}`));
}
