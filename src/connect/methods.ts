import type { DescMethod } from '@bufbuild/protobuf';
import { contract } from '../grpc/contract';

/** Served over gRPC alone, since nothing but a client of gRPC can use them. */
const hidden = /^grpc\.reflection\./;

const services = new Set<string>();
const methods = new Map<string, DescMethod>();
for (const described of contract) {
  if (described.kind !== 'service' || hidden.test(described.typeName)) continue;
  services.add(described.typeName);
  for (const method of described.methods) methods.set(`/${described.typeName}/${method.name}`, method);
}

/** The RPC at a path; undefined: there is no such RPC. */
export function methodAt(path: string): DescMethod | undefined {
  return methods.get(path);
}

/** Whether a path is one of a service, whether or not it has such an RPC. */
export function isServicePath(path: string): boolean {
  const [, service = '', ...rest] = path.split('/');
  return rest.length === 1 && services.has(service);
}
