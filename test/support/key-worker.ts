import { openKeyFolder } from '../../src/keys/key-folder';
import { randomFrom } from './random';

/**
 * A process that creates and forgets keys of a few subjects in a folder until it is killed, and prints a line of JSON for each call when
 * it has ended: a KeyCall.
 */
export interface KeyCall {
  readonly kind: 'create' | 'forget';
  readonly subject: string;
  /** By one clock for all processes of this machine, in nanoseconds. */
  readonly began: number;
  readonly ended: number;
  /** Of `create`. */
  readonly id?: string;
  /** Of `create`, as base64. */
  readonly key?: string;
  /** Of `forget`. */
  readonly forgotten?: readonly string[];
}

const now = (): number => Number(process.hrtime.bigint());

async function run(folder: string, seed: number, subjects: number): Promise<void> {
  const random = randomFrom(seed);
  await using keys = await openKeyFolder(folder);
  for (;;) {
    const subject = `subject-${Math.floor(random() * subjects)}`;
    const began = now();
    let call: KeyCall;
    if (random() < 0.9) {
      const { id, bytes } = await keys.create(subject);
      const key = Buffer.from(bytes).toString('base64');
      call = { kind: 'create', subject, began, ended: now(), id, key };
    } else {
      const forgotten = (await keys.forget(subject))?.forgotten.map(({ id }) => id) ?? [];
      call = { kind: 'forget', subject, began, ended: now(), forgotten };
    }
    process.stdout.write(`${JSON.stringify(call)}\n`);
  }
}

if (require.main === module || process.argv.includes('--key-worker')) {
  const [folder = '', seed = '0', subjects = '1'] = process.argv.slice(2);
  void run(folder, Number(seed), Number(subjects));
}
