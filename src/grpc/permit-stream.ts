import type { StreamServiceService } from '../../generated/sluice/v1/stream_service';
import { AccessDeniedError } from '../auth/errors';
import type { ControlCommand } from '../store/control-command';
import type { StreamName } from '../store/values';
import type { Caller } from './call-scope';
import { pass, type Permitted } from './permitted';

/**
 * What the caller of each RPC of StreamService must be granted, as `permit` has it for the event store. All throw
 * AccessDeniedError, alike whether the stream exists.
 */
export const permitStream = {
  getStream(stream: StreamName, { access: { permissions } }: Caller): Permitted<StreamName> {
    if (!permissions.allows('read', stream) && !permissions.allows('manage', stream))
      throw new AccessDeniedError('read', stream);
    return pass(stream);
  },

  truncateStream: control,
  setRetention: control,
  deleteStream: control,
  tombstoneStream: control,
  eraseEvents: control,
} satisfies Record<keyof typeof StreamServiceService, unknown>;

function control(command: ControlCommand, { access }: Caller): Permitted<ControlCommand> {
  const { stream } = command;
  if (!access.permissions.allows('manage', stream)) throw new AccessDeniedError('manage', stream);
  return pass(command);
}
