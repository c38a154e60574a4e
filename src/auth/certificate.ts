import type { DetailedPeerCertificate } from 'node:tls';
import { chainOf, type AuthorityId, type Link } from './certificate-chain';
import { namesOf, type CertificateNames, type SerialNumber } from './certificate-names';
import { DerError } from './der';
import { UnauthenticatedError } from './errors';
import type { Identity } from './identity';
import type { CertificatesEntry } from './schema';
import type { Verifier } from './verifier';

type Rule = CertificatesEntry['rules'][number];

/** What the lists of revoked certificates say. */
export interface Revocation {
  readonly serials: ReadonlySet<SerialNumber>;
  /** The authorities of client certificates that have issued themselves; undefined: not known. */
  readonly roots: ReadonlySet<AuthorityId> | undefined;
}

/** What a certificate says, and who has issued it. */
interface Presented extends CertificateNames {
  readonly chain: readonly Link[];
}

/** What a connection has presented: each has its own chain, also if the certificate is the same. */
const read = new WeakMap<DetailedPeerCertificate, Presented>();
/** The certificate that an identity comes from, whichever generation made it. */
const presentedBy = new WeakMap<Identity, Presented>();

/** Identifies callers by their client certificates, which TLS has verified. `revocation`: undefined if there is no list. */
export function createCertificateRules(
  { trust_domain: domain, rules }: Pick<CertificatesEntry, 'trust_domain' | 'rules'>,
  revocation: Revocation | undefined,
  now: () => number = Date.now,
): Verifier<DetailedPeerCertificate> {
  const remembered = new WeakMap<DetailedPeerCertificate, Identity>();

  function ruleFor(presented: Presented): Rule {
    if (revocation !== undefined) refuseRevoked(presented.chain, revocation);
    const rule = ruleOf(presented, rules, domain);
    if (rule === undefined) throw invalid('no rule accepts a name of the certificate');
    return rule;
  }

  return {
    identify(certificate) {
      let identity = remembered.get(certificate);
      if (identity === undefined) {
        const presented = presentedOf(certificate);
        identity = identityOf(ruleFor(presented), certificate);
        presentedBy.set(identity, presented);
        remembered.set(certificate, identity);
      }
      // TLS looks at it once for a connection, or for several.
      if (!(now() < (identity.expiresAtMs ?? 0))) {
        throw new UnauthenticatedError('expired', 'the certificate has expired');
      }
      return identity;
    },
    rolesOf(identity) {
      const presented = presentedBy.get(identity);
      const rule = presented && ruleFor(presented);
      if (rule === undefined || `cert:${rule.principal}` !== identity.principal) {
        throw invalid('the certificate is not accepted any more');
      }
      return rule.roles;
    },
    close: () => undefined,
  };
}

function identityOf(rule: Rule, { serialNumber, valid_to }: DetailedPeerCertificate): Identity {
  return {
    principal: `cert:${rule.principal}`,
    credential: { kind: 'certificate', id: serialNumber },
    roles: rule.roles,
    claims: new Map(),
    expiresAtMs: Date.parse(valid_to),
  };
}

/** The first rule for a URI of the certificate, else for a DNS name, else for its common name. */
function ruleOf(
  { uris, dns, commonNames }: CertificateNames,
  rules: readonly Rule[],
  domain: string | undefined,
): Rule | undefined {
  const ids = uris.filter((uri) => uri.toLowerCase().startsWith('spiffe:'));
  // As SPIFFE demands: who has several could choose between identities.
  if (ids.length > 1) throw invalid('the certificate has several SPIFFE ids');
  const [id] = ids;
  if (id !== undefined && domain !== undefined && !id.startsWith(`spiffe://${domain}/`)) {
    throw invalid('the certificate is of another trust domain');
  }
  // Which one of several is meant is not clear.
  const commonName = commonNames.length === 1 ? commonNames[0] : undefined;
  const lowerDns = dns.map((name) => name.toLowerCase());
  return (
    rules.find(({ uri }) => id !== undefined && uri !== undefined && isUriOf(uri, id)) ??
    rules.find((rule) => rule.dns !== undefined && lowerDns.includes(rule.dns)) ??
    rules.find((rule) => rule.common_name !== undefined && rule.common_name === commonName)
  );
}

/** A rule that ends in `/*` is for all ids below it. */
function isUriOf(rule: string, id: string): boolean {
  if (!rule.endsWith('/*')) return rule === id;
  const folder = rule.slice(0, -1);
  return id.startsWith(folder) && id.length > folder.length;
}

/** A chain that leads to no authority may lack what is revoked, for example that of a TLS session that was resumed. */
function refuseRevoked(chain: readonly Link[], { serials, roots }: Revocation): void {
  if (chain.some(({ serial }) => serials.has(serial))) throw invalid('the certificate is revoked');
  const isWhole = chain.some(({ id, isSelfIssued }) => roots?.has(id) ?? isSelfIssued);
  if (!isWhole) throw invalid('the certificate does not lead to an authority of client certificates');
}

function presentedOf(certificate: DetailedPeerCertificate): Presented {
  try {
    const known = read.get(certificate);
    const presented = known ?? { ...namesOf(certificate.raw), chain: chainOf(certificate) };
    read.set(certificate, presented);
    return presented;
  } catch (error) {
    if (error instanceof DerError) throw invalid('the certificate cannot be read');
    throw error;
  }
}

function invalid(message: string): UnauthenticatedError {
  return new UnauthenticatedError('invalid', message);
}
