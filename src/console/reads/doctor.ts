import type { GetServerInfoResponse } from '../wire/server-info';
export interface Finding { readonly check: string; readonly level: 'ok' | 'warn' | 'fail'; readonly message: string; readonly remedy?: string }
export function findingsOf(_info: GetServerInfoResponse): Finding[] { return []; }
