import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate } from 'node:tls';
import { namesOf, subjectOf, type SerialNumber } from './certificate-names';

/** The name and the key of an authority: all its certificates verify the same. */
export type AuthorityId = string;

/** A certificate, or one that has issued the one before. */
export interface Link {
  readonly serial: SerialNumber;
  readonly id: AuthorityId;
  readonly isSelfIssued: boolean;
}

/** More is no chain that anybody would use. */
const chainMax = 10;

/**
 * The certificate and those that have issued it, as far as signatures prove that. What Node.js says is only what fits by name: a
 * client can send certificates that TLS does not use to verify it. Throws DerError.
 */
export function chainOf(certificate: DetailedPeerCertificate): readonly Link[] {
  const chain: Link[] = [];
  let below: X509Certificate | undefined;
  let next: Partial<DetailedPeerCertificate> | undefined = certificate;
  while (next?.raw !== undefined && chain.length < chainMax) {
    const { serial } = namesOf(next.raw);
    const issuer = new X509Certificate(next.raw);
    const isSelfIssued = issuer.checkIssued(issuer);
    if (below !== undefined && !(below.verify(issuer.publicKey) && (issuer.ca || isSelfIssued))) break;
    chain.push({ serial, id: authorityId(issuer), isSelfIssued });
    // The last one has issued itself.
    if (next.issuerCertificate === next) break;
    below = issuer;
    next = next.issuerCertificate;
  }
  return chain;
}

/** Of the authorities that have issued themselves: TLS verifies up to one of them. */
export function rootsOf(authorities: readonly X509Certificate[]): ReadonlySet<AuthorityId> {
  return new Set(authorities.filter((one) => one.checkIssued(one)).map(authorityId));
}

function authorityId({ raw, publicKey }: X509Certificate): AuthorityId {
  const key = publicKey.export({ type: 'spki', format: 'der' });
  return [subjectOf(raw), key].map((bytes) => Buffer.from(bytes).toString('base64')).join('/');
}
