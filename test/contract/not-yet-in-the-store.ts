/** Parts of the contract that only the model fulfils yet: the real store is being built. */
export const notYetInTheStore: readonly string[] = [];
