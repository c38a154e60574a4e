/** The caller's token. It is in the memory of this page only: a reload forgets it. */
let current: string | undefined;
const watchers = new Set<() => void>();

export function token(): string | undefined {
  return current;
}

/** Empty: the caller goes on without a token. */
export function setToken(value: string): void {
  current = value.trim() === '' ? undefined : value.trim();
  for (const watcher of watchers) watcher();
}

/** Calls back when the token changes, until the returned function is called. */
export function watchToken(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}
