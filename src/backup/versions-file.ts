import { backupFiles } from './manifest';
import { createHashedFile, type FileFacts } from './hashed-file';
import type { StreamVersion } from './stream-versions';

const pieceBytes = 64 << 10;

/** Writes the version of every stream, a line for each: the name, a tab, and the version. */
export async function writeVersions(
  folder: string,
  versions: AsyncIterable<StreamVersion>,
): Promise<FileFacts> {
  const file = await createHashedFile(folder, backupFiles.versions);
  try {
    let text = '';
    for await (const { stream, version } of versions) {
      text += `${stream}\t${version.toString()}\n`;
      if (text.length < pieceBytes) continue;
      await file.write(Buffer.from(text));
      text = '';
    }
    await file.write(Buffer.from(text));
    return await file.finish();
  } catch (error) {
    await file.close();
    throw error;
  }
}
