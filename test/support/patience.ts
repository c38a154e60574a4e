/** How many times as long as they say tests wait, see jest.config.js. */
export const patience = Number(process.env['TEST_PATIENCE'] ?? '1');
