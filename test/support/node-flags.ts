/** The flags of Node.js in bin/sluice; the test of the package compares them. */
export const nodeFlags: readonly string[] = ['--max-semi-space-size=16', '--no-allocation-site-pretenuring'];
