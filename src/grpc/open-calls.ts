import type { StatusObject } from '@grpc/grpc-js';
import { StoreUnavailableError } from '../store/errors';
import { toStatus } from './status';

/** A call of grpc-js that may have no end of its own. */
export interface OpenCall {
  on(event: 'cancelled', listener: () => void): unknown;
  off(event: 'cancelled', listener: () => void): unknown;
  emit(event: 'error', error: StatusObject): boolean;
}

export interface OpenCalls {
  readonly track: <Call extends OpenCall>(handler: (call: Call) => void) => (call: Call) => void;
  readonly end: () => void;
}

export function createOpenCalls(): OpenCalls {
  const open = new Set<OpenCall>();
  let ended = false;
  const end = (call: OpenCall): void => {
    call.emit('error', toStatus(new StoreUnavailableError('the gateway is stopping')));
  };
  return {
    track: (handler) => (call) => {
      if (ended) {
        end(call);
        return;
      }
      open.add(call);
      // grpc-js says so also when the call has ended in any other way.
      call.on('cancelled', () => open.delete(call));
      handler(call);
    },
    end() {
      ended = true;
      for (const call of open) end(call);
    },
  };
}
