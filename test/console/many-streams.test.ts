import { connect } from '../../src/client/client';
import { patience } from '../support/patience';
import { inBrowser, startOnce } from './started';

/** A store of 100,000 streams in the console. */
const count = 100_000;
const started = startOnce([], ({ address }) => fill(address));

async function fill(address: string): Promise<void> {
  using client = connect(address);
  await using session = client.appendSession();
  let failed: Error | undefined;
  for (let i = 0; i < count; i++) {
    await session.ready();
    if (failed !== undefined) throw failed;
    const stream = `${i % 100 === 0 ? 'rare' : 'account'}.${i.toString().padStart(6, '0')}`;
    session.append(stream, [{ type: 'Opened' }]).catch((error: unknown) => (failed = error as Error));
  }
}

inBrowser('100,000 streams', () => {
  test(
    'are listed page by page, the newest first and by name, and found by a prefix',
    async () => {
      await using watched = await started().at('#/streams');
      const { page } = watched;
      page.setDefaultTimeout(30_000 * patience);
      const rows = page.locator('table.streams tbody tr');
      await page.getByText('account.099999').waitFor();
      expect(await rows.count()).toBeLessThanOrEqual(500);
      await page.getByRole('link', { name: 'By name' }).click();
      await page.getByText('account.000001').waitFor();
      expect(await rows.count()).toBe(50);
      await page.getByRole('link', { name: 'More' }).click();
      await page.getByText('account.000052').waitFor();
      await page.getByRole('link', { name: 'rare' }).click();
      await page.getByText('rare.000000').waitFor();
      await page.getByLabel('Name begins with').fill('account.0501');
      await page.getByRole('button', { name: 'Search' }).click();
      await page.getByText('account.050101').waitFor();
      expect(watched.faults).toEqual([]);
    },
    120_000 * patience,
  );
});
