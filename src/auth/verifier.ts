import type { Identity } from './identity';

/**
 * Recognizes the credentials of one kind, as one generation of the auth file says. Each generation has its own verifiers, made by
 * functions that throw AuthFileError: from the entries of the file, the contents of the files that these name, and the verifier
 * of the generation before, from which it may take what need not be fetched again.
 */
export interface Verifier<Credential> {
  /** The caller that presents this. One credential gives one Identity object while it is remembered. Throws UnauthenticatedError, or rejects. */
  identify(credential: Credential): Identity | Promise<Identity>;
  /**
   * The roles that the credential of an identity has in this generation; another generation may have made the identity. Throws
   * UnauthenticatedError if this generation would not accept the credential, or for another principal. Expiry is not its business.
   */
  rolesOf(identity: Identity): readonly string[];
  /** Called when the next generation has replaced this one. */
  close(): void;
}
