import { hash } from 'node:crypto';
import { errors, jwtVerify, type JWTPayload } from 'jose';
import { RecentMap } from '../collections/recent-map';
import { createSemaphore } from '../collections/semaphore';
import { defaultLimits } from '../limits';
import { OverloadedError } from '../store/errors';
import { UnauthenticatedError } from './errors';
import type { Identity } from './identity';
import type { PublicKey, PublicKeys } from './jwks';
import type { KeySource } from './jwks-source';
import { identityOf, invalid, isFor, toleranceSeconds } from './jwt-claims';
import { readClaimed, type Claimed } from './jwt-header';
import type { IssuerEntry } from './schema';
import type { Verifier } from './verifier';

/** An issuer, and the keys that it signs with. */
export interface Issuer {
  readonly entry: IssuerEntry;
  readonly keys: KeySource;
}

/** A token whose signature, `iss`, `aud`, `exp` and `nbf` are right. */
interface Signed {
  readonly payload: JWTPayload;
  readonly algorithm: string;
  readonly keyId: string;
}

/** What was verified for an identity, and until when that is enough. */
interface Proof extends Signed {
  /** Of `performance.now()`, since with the clock a token could be remembered for as long as the clock is set back. */
  readonly untilMs: number;
}

/** The proof of each identity, whichever generation made it. */
const proofs = new WeakMap<Identity, Proof>();

/** A token that stays wrong as long as the keys stay the same, and the clock is not set back before `sinceMs`. */
class WrongForGood extends UnauthenticatedError {
  constructor(
    cause: 'invalid' | 'expired',
    message: string,
    readonly sinceMs = -Infinity,
  ) {
    super(cause, message);
  }
}

interface Wrong {
  readonly error: WrongForGood;
  readonly source: KeySource;
  readonly keys: PublicKeys | undefined;
}

const limits = defaultLimits;

/** Verifies JWTs. Those that it has verified last, and those that were wrong last, it remembers by their hash. */
export class JwtVerifier implements Verifier<string> {
  readonly issuers: ReadonlyMap<string, Issuer>;
  private readonly verified = new RecentMap<string, Identity>(limits.authRememberedMax);
  private readonly wrong = new RecentMap<string, Wrong>(limits.authRememberedMax);
  private readonly underWay = new Map<string, Promise<Identity>>();
  private readonly verifications = createSemaphore(limits.jwtVerificationsMax, {
    max: limits.jwtsWaitingMax,
    refusal: () => new OverloadedError('jwtsWaitingMax', 'too many tokens wait to be verified'),
  });

  /** `roles`: the names of the roles that the auth file has. */
  constructor(
    issuers: readonly Issuer[],
    private readonly roles: ReadonlySet<string>,
    private readonly now: () => number = Date.now,
  ) {
    this.issuers = new Map(issuers.map((issuer) => [issuer.entry.issuer, issuer]));
  }

  /**
   * Rejects with OverloadedError if too many tokens wait to be verified. `isBusy`: throws it rather than verify another one.
   */
  identify(token: string, isBusy = false): Identity | Promise<Identity> {
    if (token.length > limits.jwtBytesMax) throw invalid('the token is too long');
    const digest = hash('sha256', token, 'base64');
    const identity = this.verified.get(digest);
    if (identity !== undefined && this.remembers(identity)) return identity;
    const wrong = this.wrong.get(digest);
    if (wrong !== undefined && this.isStillWrong(wrong)) throw wrong.error;
    let underWay = this.underWay.get(digest);
    if (underWay === undefined) {
      if (isBusy)
        throw new OverloadedError(
          'connectionIdentifyingMax',
          'too many tokens of this connection are being verified',
        );
      underWay = this.verify(token, digest).finally(() => this.underWay.delete(digest));
      this.underWay.set(digest, underWay);
    }
    return underWay;
  }

  /** Whether the token of an identity need not be verified again: it has not expired, and its issuer still has the key. */
  remembers(identity: Identity): boolean {
    const proof = proofs.get(identity);
    if (proof === undefined || performance.now() >= proof.untilMs) return false;
    if (this.now() >= (identity.expiresAtMs ?? Infinity)) return false;
    const keys = this.issuers.get(proof.payload.iss ?? '')?.keys.keys();
    return keys?.has(proof.keyId) === true;
  }

  rolesOf(identity: Identity): readonly string[] {
    const signed = proofs.get(identity);
    const issuer = this.issuers.get(signed?.payload.iss ?? '');
    if (signed === undefined || issuer === undefined || !isAcceptedBy(issuer, signed)) throw noLonger();
    const again = identityOf(signed.payload, issuer.entry, this.roles, this.now());
    if (again.principal !== identity.principal) throw noLonger();
    return again.roles;
  }

  close(): void {
    for (const { keys } of this.issuers.values()) keys.close();
  }

  private isStillWrong({ error, source, keys }: Wrong): boolean {
    return source.keys() === keys && this.now() >= error.sinceMs;
  }

  private async verify(token: string, digest: string): Promise<Identity> {
    const claimed = readClaimed(token);
    const issuer = this.issuerOf(claimed);
    try {
      const signed = await this.signed(token, claimed, issuer);
      const identity = identityOf(signed.payload, issuer.entry, this.roles, this.now());
      proofs.set(identity, { ...signed, untilMs: performance.now() + limits.jwtRememberedMs });
      this.verified.set(digest, identity);
      return identity;
    } catch (error) {
      const { keys: source } = issuer;
      if (error instanceof WrongForGood) this.wrong.set(digest, { error, source, keys: source.keys() });
      throw error;
    }
  }

  private issuerOf({ issuer: name, algorithm }: Claimed): Issuer {
    const issuer = this.issuers.get(name);
    if (issuer === undefined) throw invalid('the issuer of the token is not accepted');
    if (!isAlgorithmOf(issuer, algorithm)) throw invalid('the algorithm of the token is not accepted');
    return issuer;
  }

  /** Whatever no known key verifies may be signed with a new one. */
  private async signed(token: string, claimed: Claimed, issuer: Issuer): Promise<Signed> {
    const tried = new Set<PublicKey>();
    const found = await this.byAnyKey(token, claimed, issuer, tried);
    if (found !== undefined) return found;
    await issuer.keys.refresh();
    const foundNow = await this.byAnyKey(token, claimed, issuer, tried);
    if (foundNow !== undefined) return foundNow;
    if (issuer.keys.keys() === undefined) {
      throw invalid(`the keys of the issuer ${issuer.entry.name} are not available`);
    }
    if (tried.size === 0) throw invalid('the token is signed with an unknown key');
    throw new WrongForGood('invalid', 'the signature of the token is wrong');
  }

  private async byAnyKey(
    token: string,
    claimed: Claimed,
    issuer: Issuer,
    tried: Set<PublicKey>,
  ): Promise<Signed | undefined> {
    for (const key of keysFor(claimed, issuer)) {
      if (tried.has(key) || tried.size >= limits.jwtKeysTriedMax) continue;
      tried.add(key);
      const payload = await this.verifications.with(1, undefined, () =>
        verifiedPayload(token, key, issuer.entry, this.now()),
      );
      if (payload !== undefined) return { payload, algorithm: claimed.algorithm, keyId: key.id };
    }
    return undefined;
  }
}

function keysFor({ kid, algorithm }: Claimed, issuer: Issuer): PublicKey[] {
  return [...(issuer.keys.keys()?.values() ?? [])].filter(
    (key) =>
      (key.kid === undefined || kid === undefined || key.kid === kid) && key.algorithms.includes(algorithm),
  );
}

/** undefined: the signature is not by this key. */
async function verifiedPayload(
  token: string,
  { key }: PublicKey,
  { issuer, audience, algorithms }: IssuerEntry,
  nowMs: number,
): Promise<JWTPayload | undefined> {
  try {
    const { payload } = await jwtVerify(token, key, {
      issuer,
      audience,
      algorithms,
      requiredClaims: ['exp'],
      clockTolerance: toleranceSeconds,
      currentDate: new Date(nowMs),
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) return undefined;
    throw refusalOf(error);
  }
}

/** Without its cause, which has the claims. */
function refusalOf(error: unknown): UnauthenticatedError {
  if (error instanceof errors.JWTExpired) {
    const expiredMs = ((error.payload.exp ?? 0) + toleranceSeconds) * 1_000;
    return new WrongForGood('expired', 'the token has expired', expiredMs);
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return invalid(`the claim ${error.claim} of the token is missing or not accepted`);
  }
  return invalid('the token is not a JWT that is accepted');
}

/** Whether a generation accepts what another one has verified. */
function isAcceptedBy(issuer: Issuer, { payload, algorithm, keyId }: Signed): boolean {
  return (
    isFor(issuer.entry.audience, payload) &&
    isAlgorithmOf(issuer, algorithm) &&
    issuer.keys.keys()?.has(keyId) === true
  );
}

function isAlgorithmOf({ entry }: Issuer, algorithm: string): boolean {
  return entry.algorithms.some((one) => one === algorithm);
}

function noLonger(): UnauthenticatedError {
  return invalid('the token is not accepted any more');
}
