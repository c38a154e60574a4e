/** Gets how far a part of the work is: `done` of `total`, of whatever unit. Called often. */
export type OnProgress = (what: string, done: number, total: number) => void;
