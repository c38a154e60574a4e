import { AuthFileError } from './auth-file-error';
import type { AuthFiles } from './auth-files';
import { isAuthError, UnauthenticatedError } from './errors';
import { anonymous, type Credentials, type Identity } from './identity';
import type { Permissions } from './permissions';
import type { JwtOptions } from './issuers';
import { noPermissions } from './permissions-of-grants';
import { Policy } from './policy';
import type { AuditEntry, AuthFile } from './schema';
import { tokenPrefix } from './token';
import { openVerifiers, type Verifiers } from './verifiers';

/** What one state of the auth file and the files that it names says about callers. */
export interface Generation {
  readonly number: number;
  /** In milliseconds since 1970. */
  readonly loadedAtMs: number;
  readonly fingerprint: string;
  readonly audit: AuditEntry | undefined;
  readonly file: AuthFile;
  /** As `identify` of the guard. */
  identify(credentials: Credentials): Identity | Promise<Identity>;
  /** As `remembers` of the guard. */
  remembers(identity: Identity): boolean;
  /** The roles of the credential. Throws UnauthenticatedError if this generation does not accept it. */
  rolesOf(identity: Identity): readonly string[];
  /** As `permissionsOf` of the guard. */
  permissionsOf(identity: Identity): Permissions;
  readonly verifiers: Verifiers;
  close(): void;
}

/** Rejects with AuthFileError if the files cannot be used. */
export async function openGeneration(
  files: AuthFiles,
  previous: Generation | undefined,
  options: JwtOptions & { readonly callerShare?: number | undefined },
): Promise<Generation> {
  if (files.result instanceof AuthFileError) throw files.result;
  const { file } = files.result;
  const policy = new Policy(file, options.callerShare);
  const verifiers = await openVerifiers(files.result, previous?.verifiers, options);
  const remembered = new WeakMap<Identity, Permissions>();
  const rolesOf = (identity: Identity): readonly string[] => rolesBy(verifiers, policy, identity);
  return {
    number: (previous?.number ?? 0) + 1,
    loadedAtMs: Date.now(),
    fingerprint: files.fingerprint,
    audit: file.audit,
    file,
    verifiers,
    identify: (credentials) => identifyBy(verifiers, policy, credentials),
    remembers: (identity) =>
      identity.credential.kind === 'jwt'
        ? verifiers.jwts.remembers(identity)
        : Date.now() < (identity.expiresAtMs ?? Infinity),
    rolesOf,
    permissionsOf(identity) {
      const known = remembered.get(identity);
      if (known !== undefined) return known;
      const permissions = permissionsBy(policy, identity, rolesOf);
      remembered.set(identity, permissions);
      return permissions;
    },
    close() {
      verifiers.tokens.close();
      verifiers.jwts.close();
      verifiers.certificates?.close();
    },
  };
}

/** A credential that is present and bad is an error: another one beside it would hide that. */
function identifyBy(
  { tokens, jwts, certificates }: Verifiers,
  policy: Policy,
  { authorization, certificate, isBusy }: Credentials,
): Identity | Promise<Identity> {
  if (authorization !== undefined) {
    const bearer = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization)?.[1];
    if (bearer === undefined)
      throw new UnauthenticatedError('invalid', '`authorization` must be `Bearer <token>`');
    return bearer.startsWith(tokenPrefix) ? tokens.identify(bearer) : jwts.identify(bearer, isBusy);
  }
  if (certificate !== undefined && certificates !== undefined) return certificates.identify(certificate);
  return anonymousBy(policy);
}

function anonymousBy(policy: Policy): Identity {
  if (policy.servesAnonymous) return anonymous;
  throw new UnauthenticatedError('missing', 'credentials are required');
}

function rolesBy(
  { tokens, jwts, certificates }: Verifiers,
  policy: Policy,
  identity: Identity,
): readonly string[] {
  switch (identity.credential.kind) {
    case 'token':
      return tokens.rolesOf(identity);
    case 'jwt':
      return jwts.rolesOf(identity);
    case 'certificate':
      if (certificates !== undefined) return certificates.rolesOf(identity);
      throw new UnauthenticatedError('invalid', 'client certificates are not accepted any more');
    case 'none':
      return anonymousBy(policy).roles;
  }
}

function permissionsBy(policy: Policy, identity: Identity, rolesOf: Generation['rolesOf']): Permissions {
  try {
    return policy.permissionsOf(identity, rolesOf(identity));
  } catch (error) {
    if (!isAuthError(error)) throw error;
    return noPermissions;
  }
}
