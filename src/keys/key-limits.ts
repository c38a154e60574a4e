/** The bounds of keys, each with its reason. They cannot be set, except where an option says so. */

/** Bytes of the name of a data subject: it is in the metadata of each of its events. */
export const subjectBytesMax = 128;

/** Forgotten keys of one subject: their ids stay, in one record. */
export const forgottenKeysMax = 100;

/** Bytes of a record; one with `forgottenKeysMax` forgotten keys has fewer. */
export const recordBytesMax = 32 << 10;

/** How long `get` may return what it has seen before; also how long another process may still read what was forgotten. */
export const keyCacheMs = 10_000;

/** Subjects whose keys are in memory. */
export const keyCacheEntriesMax = 10_000;

/** How often a change of a record is tried while other processes change it as well. */
export const changeAttemptsMax = 50;

/** How long one request to NATS may take. */
export const keyRequestTimeoutMs = 5_000;

/** How long opening a bucket tries to reach NATS. */
export const keyConnectTimeoutMs = 5_000;

/** Records that `list` requests at a time. */
export const listRequestsMax = 32;
