import { useEffect, useState } from 'preact/hooks';

/** What a reader chooses for all pages. It is forgotten at a reload, except for what the browser keeps itself. */
export interface Settings {
  readonly zone: 'utc' | 'local';
}

let settings: Settings = { zone: 'utc' };
const watchers = new Set<(settings: Settings) => void>();

export function set(changes: Partial<Settings>): void {
  settings = { ...settings, ...changes };
  for (const watcher of watchers) watcher(settings);
}

export function useSetting<K extends keyof Settings>(name: K): Settings[K] {
  const [all, setAll] = useState(settings);
  useEffect(() => {
    watchers.add(setAll);
    return () => {
      watchers.delete(setAll);
    };
  }, []);
  return all[name];
}
