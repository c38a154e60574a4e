import type { AboutAccess } from '../../src/grpc/access-info';

/** What a gateway without an auth file says of itself. */
export const openAccess: AboutAccess = {
  local: true,
  tls: false,
  clientCertificateRequired: false,
  reflection: 'on',
};
