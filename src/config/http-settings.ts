import { oneOf, origins } from './setting-values';

/** Calls over HTTP. */
export const httpSettings = {
  httpCalls: {
    group: 'access',
    default: 'local',
    schema: oneOf(['local', 'on', 'off']),
    description:
      'Whether calls are served over HTTP: local (if only this machine reaches --http-listen, or with --insecure), on or off.',
  },
  httpOrigins: {
    group: 'access',
    default: undefined,
    schema: origins(),
    description:
      'Origins of web pages that may make calls over HTTP, with commas. Not set: pages of this gateway.',
  },
} as const;
