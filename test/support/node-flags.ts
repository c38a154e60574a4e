/** Those with which bin/sluice starts Node.js; the test of the package compares. */
export const nodeFlags: readonly string[] = ['--max-semi-space-size=16', '--no-allocation-site-pretenuring'];
