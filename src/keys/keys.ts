// The public API of `sluice-eventstore/keys`.
export { KeyError, type EventPlace, type KeyErrorCode } from './key-error';
export { openKeyBucket, type KeyBucketOptions } from './key-bucket';
export { openKeyFolder, type KeyFolderOptions } from './key-folder';
export type { DataKey, ForgottenKey, GetKeyOptions, KeyStore, ListedSubject, SubjectKeys } from './key-store';
export { readMasterKey } from './master-key';
export type { KeyStoreOptions } from './record-store';
export { withKeys, type WithKeysOptions } from './with-keys';
