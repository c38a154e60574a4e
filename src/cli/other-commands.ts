import { operatorKeys } from '../config/operator-keys';
import { flagOf, keys, settings, type Key } from '../config/settings';

/** What completion offers of a command. */
export interface Completed {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** By name, without the dashes. */
  readonly options: Readonly<Record<string, { readonly help: string }>>;
  /** The words that it must begin with one of; none if absent. */
  readonly verbs?: readonly string[];
}

/** The commands that do not go through a gateway, besides help and completion. */
export const otherCommands: readonly Completed[] = [
  { name: 'serve', summary: 'Serve until SIGTERM or SIGINT.', options: optionsOf(keys) },
  { name: 'replica', summary: 'Verify or remove the replica of a stopped gateway.', options: {} },
  { name: 'backup', summary: 'Back up the store to a new folder.', options: optionsOf(operatorKeys) },
  { name: 'restore', summary: 'Restore a backup.', options: optionsOf(operatorKeys) },
  {
    name: 'verify',
    summary: 'Read the whole log of the store and check it.',
    options: optionsOf(operatorKeys),
  },
];

function optionsOf(wanted: readonly Key[]): Completed['options'] {
  return Object.fromEntries(
    wanted.map((key) => [flagOf(key).slice('--'.length), { help: settings[key].description }]),
  );
}
