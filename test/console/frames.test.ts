import { framesOf, oneFrame } from '../../src/console/wire/frames';

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

async function texts(bytes: Uint8Array, size: number): Promise<string[]> {
  const found: string[] = [];
  for await (const { text } of framesOf(chunks(bytes, size))) found.push(text);
  return found;
}

const messages = ['{}', '{"a":"é"}', '', JSON.stringify('x'.repeat(300))];
const bytes = Buffer.concat(messages.map((message) => oneFrame(message)));

test.each([1, 2, 3, 5, 7, 64, 1_000])(
  'frames that come in chunks of %i bytes are the messages',
  async (size) => {
    expect(await texts(bytes, size)).toEqual(messages);
  },
);

test('a response that is cut off within a frame fails', async () => {
  await expect(texts(bytes.subarray(0, -1), 50)).rejects.toThrow('cut off');
  await expect(texts(bytes.subarray(0, 3), 50)).rejects.toThrow('cut off');
});

test('a frame that says it is too large fails before it is read', async () => {
  await expect(texts(Uint8Array.from([0, 255, 255, 255, 255]), 50)).rejects.toThrow('too large');
});
