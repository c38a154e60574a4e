import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** Any JSON value. */
export type Json = z.infer<typeof json>;
export const json = z.json();

/** All JSON files of a folder, in the order of their names. Throws if one is not as the schema says. */
export function readJsonFiles<Output>(
  folder: string,
  schema: z.ZodType<Output>,
): (Output & { readonly name: string })[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => {
      const parsed = schema.safeParse(JSON.parse(readFileSync(join(folder, file), 'utf8')));
      if (!parsed.success) throw new Error(`${file}: ${z.prettifyError(parsed.error)}`);
      return { name: file.replace(/\.json$/, ''), ...parsed.data };
    });
}
