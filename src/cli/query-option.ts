import type { EventQuery, QueryItem } from '../client/client';
import { UsageError } from './failure';

/** Of commands that select events of several streams. */
export const queryOption = {
  query: {
    kind: 'text',
    value: 'JSON',
    help: 'Only events of this query, for instance {"items": [{"tags": ["course:c1"]}]}.',
  },
} as const;

const exampleText = '{"items": [{"eventTypes": ["Joined"], "tags": ["course:c1", "student:s1"]}]}';

/** Throws UsageError. `name`: of what has the text. */
export function queryOf(text: string, name = '--query'): EventQuery {
  const wrong = (): UsageError =>
    new UsageError(`${name} must be a query such as ${exampleText}; found "${text}"`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong();
  }
  if (!hasOnly(value, ['items']) || !Array.isArray(value['items'])) throw wrong();
  return { items: value['items'].map((item: unknown) => itemOf(item) ?? fail(wrong())) };
}

function itemOf(item: unknown): QueryItem | undefined {
  if (!hasOnly(item, ['eventTypes', 'tags'])) return undefined;
  const { eventTypes = [], tags = [] } = item;
  return isTexts(eventTypes) && isTexts(tags) ? { eventTypes, tags } : undefined;
}

function hasOnly(value: unknown, names: readonly string[]): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.keys(value).every((name) => names.includes(name));
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}

function fail(error: Error): never {
  throw error;
}
