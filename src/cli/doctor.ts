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
      const { client, deadlineMs, signal, out, version } = context;
      const info = await client.serverInfo({ deadlineMs, signal });
      const list = [...findings(info, version), ...(await groupFindings(context))];
      for (const finding of list) {
        if (given.json) await out.line(JSON.stringify(finding));
        else await print(context, finding);
      }
      return list.some(({ level }) => level === 'fail') ? exitCode.failure : exitCode.ok;
    };
  },
});

const styles = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

async function print({ out }: Context, { check, level, message, remedy }: Finding): Promise<void> {
  await out.line(paint(styles[level], level.padEnd(4)), `  ${check.padEnd(10)}  ${message}`);
  if (remedy !== undefined) await out.line(' '.repeat(18), paint('bold', `-> ${remedy}`));
}
