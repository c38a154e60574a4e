/** What the NATS user of a program needs for a key bucket, as docs/personal-data.md lists it; a test uses it. */
export function bucketPermissions(bucket: string): {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
} {
  const api = (verb: string): string => `$JS.API.STREAM.${verb}.KV_${bucket}`;
  return {
    publish: [`$KV.${bucket}.>`, api('INFO'), api('CREATE'), api('MSG.GET'), api('MSG.DELETE')],
    subscribe: ['_INBOX.>'],
  };
}
