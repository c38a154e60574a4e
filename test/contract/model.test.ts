import { contractSuite } from './contract-suite';
import { eraseContract } from './erase-contract';
import { openModel, type OpenedContract } from './open';

/** The in-memory model is the specification: it must hold to the contract that it specifies. */
contractSuite(openModel);

describe('erase', () => {
  let opened: OpenedContract | undefined;
  beforeAll(async () => {
    opened = await openModel();
  });
  eraseContract(() => opened as OpenedContract, openModel);
});
