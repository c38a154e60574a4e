import { experimental, type ChannelOptions } from '@grpc/grpc-js';

/** Several gateways behind one channel of grpc-js, which sends calls to each of them in turn. */

/** Of targets that this client makes; gRPC knows the name of no such scheme. */
const scheme = 'sluice';
const separator = ',';

type Resolver = experimental.Resolver;
type Listener = experimental.ResolverListener;
type Endpoints = Parameters<Listener>[0];

let isRegistered = false;

/** The target of a channel for all addresses. Throws a TypeError for a list without any. */
export function targetOf(addresses: readonly string[]): string {
  const [first] = addresses;
  if (first === undefined) throw new TypeError('connect needs the address of a gateway');
  if (addresses.length === 1) return first;
  if (!isRegistered) experimental.registerResolver(scheme, AddressList);
  isRegistered = true;
  return `${scheme}:${addresses.map(encodeURIComponent).join(separator)}`;
}

/** The channel options for several gateways. */
export const inTurn = {
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
};

/** Resolves each address as gRPC resolves it alone. An address that cannot be resolved is left out while there are others. */
class AddressList implements Resolver {
  private readonly resolvers: readonly Resolver[];
  private readonly found: (Endpoints | undefined)[];
  private reported = '';

  constructor(
    { path }: experimental.GrpcUri,
    private readonly listener: Listener,
    options: ChannelOptions,
  ) {
    const addresses = addressesIn(path);
    this.found = addresses.map(() => undefined);
    this.resolvers = addresses.map((address, index) => {
      const take: Listener = (endpoints) => this.take(index, endpoints);
      return experimental.createResolver(parse(address), take, options);
    });
  }

  /** The host that calls name, and TLS: the first. */
  static getDefaultAuthority({ path }: experimental.GrpcUri): string {
    const { scheme: kind, path: host } = parse(addressesIn(path)[0] ?? '');
    return kind === 'unix' ? 'localhost' : host;
  }

  updateResolution(): void {
    for (const resolver of this.resolvers) resolver.updateResolution();
  }

  destroy(): void {
    for (const resolver of this.resolvers) resolver.destroy();
    this.found.fill(undefined);
    this.reported = '';
  }

  private take(index: number, endpoints: Endpoints): boolean {
    // What was found before is better than a failure.
    if (endpoints.ok || this.found[index]?.ok !== true) this.found[index] = endpoints;
    // A call must not fail because the only address that is known yet cannot be reached.
    const known = this.found.filter((each) => each !== undefined);
    if (known.length < this.found.length) return true;
    const all = known.flatMap((each) => (each.ok ? each.value : []));
    const failure = known.find((each) => !each.ok);
    if (all.length === 0 && failure !== undefined) return this.listener(failure, {}, null, '');
    // The same list again would make all connections again.
    const list = JSON.stringify(all);
    if (list === this.reported) return true;
    this.reported = list;
    return this.listener(experimental.statusOrFromValue(all), {}, null, '');
  }
}

function addressesIn(path: string): string[] {
  return path.split(separator).map(decodeURIComponent);
}

/** An address as gRPC reads it: `host:port`, or with a scheme. */
function parse(address: string): experimental.GrpcUri & { readonly path: string } {
  const [, known = 'dns', authority, path = address] =
    /^(?:(unix|dns|ipv4|ipv6):)?(?:\/\/([^/]*)\/)?(.+)$/.exec(address) ?? [];
  return { scheme: known, ...(authority !== undefined && { authority }), path };
}
