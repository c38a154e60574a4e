/** The payload of an event: bytes or text, kept apart so that text stays readable. */
export type Payload =
  | { readonly $case: 'binary'; readonly value: Uint8Array }
  | { readonly $case: 'text'; readonly value: string };

/** An event to append, complete: defaults are filled in. */
export interface NewEvent {
  readonly id: string;
  /** Whether the caller gave the id. An id that was filled in is different when the append is repeated. */
  readonly hasGivenId: boolean;
  readonly type: string;
  readonly payload: Payload | undefined;
  readonly contentType: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly tags: readonly string[];
  readonly metadata: ReadonlyMap<string, string>;
}
