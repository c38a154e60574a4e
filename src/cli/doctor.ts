import { defineCommand, type Context } from './command';
import { exitCode } from './failure';
import { paint } from './output';
import { findings, type Finding } from './findings';
import { noWords } from './words';

export const doctorCommand = defineCommand({
  name: 'doctor',
  usage: '',
  summary: 'Look at the gateway and its store, and say what is wrong and what to do.',
  details:
    'Ends with 1 if a finding is "fail"; a "warn" is for people. A gateway that cannot be reached, or\n' +
    'cannot reach NATS, is the code 4 of every command.',
  options: {},
  plan({ words, given }) {
    noWords(words);
    return async (context) => {
      const { client, deadlineMs, signal, out, version } = context;
      const list = findings(await client.serverInfo({ deadlineMs, signal }), version);
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
