import { optionalNumber } from './arguments';
import { defineCommand } from './command';
import { printOptions } from './event-text';
import { follow } from './follow';
import { withGivenKeys } from './keys-option';
import { hintPatterns } from './nothing';
import { queryOf, queryOption } from './query-option';
import { startOf } from './start';
import { skipOption } from './unreadable';
import { patternHelp, permittedOption } from './words';

export const tailCommand = defineCommand({
  name: 'tail',
  usage: '[PATTERN...]',
  summary: 'Print events as they are stored: of the whole store, or of matching streams.',
  details:
    `${patternHelp}\n` +
    'The command runs until Ctrl-C or --max-count. When the gateway becomes unavailable, it waits and\n' +
    'misses no event.',
  options: {
    from: {
      kind: 'text',
      value: 'START',
      help: 'A position (0: all), a time (2026-11-25T12:00:00Z), a time ago (1h), or now (default).',
    },
    ...printOptions,
    ...queryOption,
    ...skipOption,
    ...permittedOption,
  },
  plan({ words: patterns, given }) {
    const start = startOf(given.from ?? 'now');
    const maxCount = optionalNumber(given['max-count'], '--max-count');
    const query = given.query === undefined ? undefined : queryOf(given.query);
    const permittedOnly = given['permitted-only'];
    const options = { ...start, patterns, eventTypes: given.type, query, permittedOnly };
    const style = { asJson: given.json, full: given.full };
    const skipsUnreadable = given['skip-unreadable'];
    return withGivenKeys(given, async (context) => {
      await hintPatterns(context, patterns);
      return await follow(context, options, { style, maxCount, skipsUnreadable });
    });
  },
});
