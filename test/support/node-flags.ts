/** Those with which `npm start` runs a gateway, see package.json. */
export const nodeFlags: readonly string[] = ['--max-semi-space-size=8'];
