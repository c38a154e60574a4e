import { keys, settings, type Group, type Key } from './settings';

const groups: readonly Group[] = ['nats', 'embedded', 'connections', 'store'];

/** The settings that the commands backup, restore and verify have. */
export const operatorKeys: readonly Key[] = keys.filter((key) => groups.includes(settings[key].group));
