/** The metadata by which an encrypted event is recognized. */
export const mark = {
  /** The format of the payload: `1`. */
  format: 'sluice-encryption',
  /** The data subject. */
  subject: 'sluice-key-subject',
  keyId: 'sluice-key-id',
  /** `text` or `binary`: how the decrypted payload is read. */
  kind: 'sluice-payload-kind',
  /** The content type of the decrypted payload; absent: no content type. */
  contentType: 'sluice-content-type',
} as const;

export const marks: readonly string[] = Object.values(mark);

export const formatVersion = '1';

/** The content type of an encrypted event. */
export const sealedContentType = 'application/vnd.sluice.encrypted';
