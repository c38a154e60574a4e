/** The result of one check of doctor. */
export interface Finding {
  readonly check: string;
  /** `fail`: something is wrong. `warn`: it works, but needs attention. */
  readonly level: 'ok' | 'warn' | 'fail';
  /** What was found: a subject and its state. */
  readonly message: string;
  /** What to do about it; absent if nothing needs to be done. */
  readonly remedy?: string;
}
