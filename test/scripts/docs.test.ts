import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { channelsPage } from '../../scripts/docs/channels.ts';

test('docs/channels.md says what the channels say of themselves; `bun scripts/docs.ts` brings it up to date', async () => {
  const page = await Bun.file(join(import.meta.dir, '../../docs/channels.md')).text();
  expect(page).toBe(await channelsPage());
});
