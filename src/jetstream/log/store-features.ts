import { StoreImmutableError, StoreUnavailableError } from '../../store/errors';
import type { CallContext } from '../../store/event-store';
import { callApi, streamInfo, type StreamInfo } from '../nats/api';
import { addFeature, hasFeature, type Feature } from '../nats/features';
import { isImmutable } from '../nats/open-stream';
import { unfinishedRestore } from '../nats/unfinished-restore';
import { within } from './bounded-call';
import type { LogAccess } from './log-access';

/** What the store is known to have that earlier versions of Sluice do not know. */
export class StoreFeatures {
  private readonly present = new Set<Feature>();

  constructor(private readonly log: LogAccess) {
    // Another log may have come in its place.
    log.health.onDoubt(() => {
      this.present.clear();
    });
  }

  /**
   * The store has a feature when this resolves, so that a gateway that does not know it refuses the store from its next start on.
   * Throws StoreUnavailableError and errors of the API, NotPermittedError among them, if that is not certain.
   */
  async need(feature: Feature, call: CallContext): Promise<void> {
    if (!this.present.has(feature)) await this.add(feature, call);
  }

  /**
   * The same for `removals`, in a store that permits that messages are removed. Throws StoreImmutableError, too. An operator may forbid
   * it at any time, so that it is looked up each time.
   */
  async needRemovals(call: CallContext): Promise<void> {
    await this.add('removals', call);
  }

  private async add(feature: Feature, call: CallContext): Promise<void> {
    const { doubts } = this.log.health;
    const { pool, stream, limits } = this.log;
    const link = pool.append();
    const options = within(call, limits.requestTimeoutMs);
    const { config } = await streamInfo(link, stream.name, undefined, options);
    if (feature === 'removals' && isImmutable(config))
      throw new StoreImmutableError('the store does not permit that messages are removed');
    if (!hasFeature(config, feature)) {
      if (unfinishedRestore(config) !== undefined)
        throw new StoreUnavailableError('the store is being restored from a backup');
      const verb = `STREAM.UPDATE.${stream.name}`;
      const updated = await callApi<StreamInfo>(link, verb, addFeature(config, feature), options);
      if (!hasFeature(updated.config, feature))
        throw new StoreUnavailableError('the settings of the store were changed meanwhile; trying again');
    }
    if (doubts === this.log.health.doubts) this.present.add(feature);
  }
}
