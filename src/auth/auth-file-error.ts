/** The auth file, or a file that it names, cannot be used; `problems` has a line for each error, with its path in the file. */
export class AuthFileError extends Error {
  constructor(
    readonly file: string,
    readonly problems: readonly string[],
  ) {
    super(`the auth file ${file} cannot be used:\n${problems.map((line) => `  ${line}`).join('\n')}`);
  }
}
