import { childrenOf, contentOf, elementsOf, tag, type Element } from './der';

/** What a certificate (RFC 5280) says about its subject and its issuer. Texts are as they are in it, and may hold any character. */
export interface CertificateNames {
  readonly uris: readonly string[];
  readonly dns: readonly string[];
  readonly commonNames: readonly string[];
  /** The distinguished name of its issuer in DER, and its serial number: no other certificate has both. */
  readonly serial: SerialNumber;
}

/** Equal for equal names of an issuer and equal numbers. */
export type SerialNumber = `${string}/${string}`;

const subjectAltName = '551d11';
const commonName = '550403';
const uriTag = 0x86;
const dnsTag = 0x82;
const extensionsTag = 0xa3;
const versionTag = 0xa0;
/** String types whose characters are bytes; others, which are hardly used, would have to be decoded. */
const utf8String = 0x0c;
const printableString = 0x13;
const ia5String = 0x16;

/**
 * Reads the names from the certificate itself: `subjectaltname` of Node.js is one text in which names have to be found again.
 * Throws DerError.
 */
export function namesOf(certificate: Uint8Array): CertificateNames {
  const fields = fieldsOf(certificate);
  const [number, , issuer, , subject] = fields;
  const alternatives = alternativeNames(fields.find((field) => field.tag === extensionsTag));
  const texts = (kind: number): string[] =>
    alternatives.filter((name) => name.tag === kind).map(({ content }) => textOf(content));
  return {
    uris: texts(uriTag),
    dns: texts(dnsTag),
    commonNames: commonNamesOf(subject),
    serial: serialNumber(issuer, number),
  };
}

/** The distinguished name of the subject of a certificate, in DER. */
export function subjectOf(certificate: Uint8Array): Uint8Array {
  return fieldsOf(certificate)[4]?.bytes ?? new Uint8Array();
}

/** From the serial number on. */
function fieldsOf(certificate: Uint8Array): Element[] {
  const [whole] = elementsOf(certificate);
  const [toBeSigned] = childrenOf(whole, tag.sequence);
  const fields = childrenOf(toBeSigned, tag.sequence);
  if (fields[0]?.tag === versionTag) fields.shift();
  return fields;
}

export function serialNumber(issuer: Element | undefined, number: Element | undefined): SerialNumber {
  const name = Buffer.from(contentOf(issuer, tag.sequence)).toString('base64');
  return `${name}/${Buffer.from(contentOf(number, tag.integer)).toString('hex')}`;
}

function alternativeNames(field: Element | undefined): Element[] {
  if (field === undefined) return [];
  const [list] = elementsOf(field.content);
  for (const extension of childrenOf(list, tag.sequence)) {
    const [id, ...rest] = childrenOf(extension, tag.sequence);
    if (hexOf(contentOf(id, tag.objectId)) !== subjectAltName) continue;
    const [names] = elementsOf(contentOf(rest.at(-1), tag.octets));
    return childrenOf(names, tag.sequence);
  }
  return [];
}

function commonNamesOf(subject: Element | undefined): string[] {
  return childrenOf(subject, tag.sequence).flatMap((set) =>
    childrenOf(set, tag.set).flatMap((attribute) => {
      const [id, value] = childrenOf(attribute, tag.sequence);
      const isText = value && [utf8String, printableString, ia5String].includes(value.tag);
      return isText && hexOf(contentOf(id, tag.objectId)) === commonName ? [textOf(value.content)] : [];
    }),
  );
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
