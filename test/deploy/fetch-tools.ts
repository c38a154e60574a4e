import { deployTool, toolNames } from '../support/deploy-tools';

/** Fetches all tools of these tests, so that no test waits for one: `node scripts/run-ts.cjs test/deploy/fetch-tools.ts`. */
async function main(): Promise<void> {
  for (const name of toolNames) await deployTool(name);
}

void main();
