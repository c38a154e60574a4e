import { useEffect, useState } from 'preact/hooks';
import { call } from '../wire/connect';
import { watchToken } from '../wire/token';

/** How programs reach the gateway over gRPC. */
export interface Gateway {
  /** host:port, or `unix:` and a path; undefined: not known. */
  readonly address: string | undefined;
  readonly tls: boolean;
}

const unknown: Gateway = { address: undefined, tls: false };
let asking: Promise<Gateway> | undefined;

/** Asked once, and again for another caller. */
function ask(): Promise<Gateway> {
  asking ??= call('EventStoreService/GetServerInfo', {}, new AbortController().signal).then(
    ({ grpcAddress, access }) => ({ address: grpcAddress, tls: access?.tls === true }),
    () => unknown,
  );
  return asking;
}

watchToken(() => {
  asking = undefined;
});

export function useGateway(): Gateway {
  const [gateway, setGateway] = useState(unknown);
  useEffect(() => {
    let isWanted = true;
    const look = (): void => {
      void ask().then((found) => {
        if (isWanted) setGateway(found);
      });
    };
    look();
    const stop = watchToken(look);
    return () => {
      isWanted = false;
      stop();
    };
  }, []);
  return gateway;
}
