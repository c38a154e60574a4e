import { appendContract } from './append-contract';
import { commitContract } from './commit-contract';
import { conditionContract } from './condition-contract';
import type { ContractStore } from './contract-store';
import { correlationContract } from './correlation-contract';
import { decisionContract } from './decision-contract';
import { eraseContract } from './erase-contract';
import { hiddenContract } from './hidden-contract';
import { idempotencyContract } from './idempotency-contract';
import { lifecycleContract } from './lifecycle-contract';
import { listContract } from './list-contract';
import type { OpenContract, OpenedContract } from './open';
import { longReadContract } from './long-read-contract';
import { multiContract } from './multi-contract';
import { queryContract } from './query-contract';
import { readContract } from './read-contract';
import { readAllContract } from './read-all-contract';
import { storeIdContract } from './store-id-contract';
import { subscribeContract } from './subscribe-contract';
import { validateContract } from './validate-contract';
import { versionContract } from './version-contract';
import { withinCommitContract } from './within-commit-contract';

/**
 * What every event store must do, whatever keeps it and however it is reached. The tests of a part share one store
 * and use streams of their own, as callers do; only those that need an empty store open another.
 */
export function contractSuite(open: OpenContract): void {
  describe('an event store', () => {
    let opened: OpenedContract | undefined;
    const store = (): ContractStore => opened as ContractStore;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(async () => {
      await opened?.[Symbol.asyncDispose]();
    });
    describe('append', () => {
      appendContract(store, open);
    });
    describe('append with a commit id', () => {
      idempotencyContract(store);
    });
    describe('append to several streams', () => {
      multiContract(store, open);
    });
    describe('append with a condition', () => {
      conditionContract(store, open);
    });
    describe('append that only validates', () => {
      validateContract(store);
    });
    describe('decisions', () => {
      decisionContract(open);
    });
    describe('read', () => {
      readContract(store);
    });
    describe('long read', () => {
      longReadContract(store);
    });
    describe('version', () => {
      versionContract(store);
    });
    describe('commit', () => {
      commitContract(store);
    });
    describe('correlation', () => {
      correlationContract(store, open);
    });
    describe('read all', () => {
      readAllContract(store, open);
    });
    describe('query', () => {
      queryContract(store, open);
    });
    describe('subscribe', () => {
      subscribeContract(store, open);
    });
    describe('within a commit', () => {
      withinCommitContract(open);
    });
    describe('store id', () => {
      storeIdContract(store);
    });
    describe('list', () => {
      listContract(store, open);
    });
    describe('lifecycle', () => {
      lifecycleContract(store, open);
    });
    describe('erase', () => {
      eraseContract(store, open);
    });
    describe('hidden events', () => {
      hiddenContract(open);
    });
  });
}
