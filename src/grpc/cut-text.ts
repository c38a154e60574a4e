const ellipsis = '…';

/**
 * Well-formed text of at most this many bytes of UTF-8: grpc-js percent-encodes the message, which throws on half a surrogate
 * pair.
 */
export function cut(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return bytes.toString();
  let end = bytesMax - Buffer.byteLength(ellipsis);
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--; // not within a character
  return bytes.toString('utf8', 0, end) + ellipsis;
}

/** The same for the message of a status, whose bytes are counted as grpc-js sends them. */
export function cutMessage(text: string, bytesMax: number): string {
  const message = cut(text, bytesMax);
  if (encodeURI(message).length <= bytesMax) return message;
  let leftBytes = bytesMax - encodeURI(ellipsis).length;
  let kept = '';
  for (const character of message) {
    leftBytes -= encodeURI(character).length;
    if (leftBytes < 0) break;
    kept += character;
  }
  return kept + ellipsis;
}
