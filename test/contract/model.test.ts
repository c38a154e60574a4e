import { contractSuite } from './contract-suite';
import { openModel } from './open';

/** The in-memory model is the specification: it must hold to the contract that it specifies. */
contractSuite(openModel);
