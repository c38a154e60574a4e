/** A backup, a restore or a check cannot be done, for a reason that the message explains. Nothing was overwritten. */
export class BackupError extends Error {}
