import { join } from 'node:path';
import { channelsPage } from './docs/channels.ts';

/** Writes the pages of docs/ that are generated. */
const path = join(import.meta.dir, '../docs/channels.md');
await Bun.write(path, await channelsPage());
process.stdout.write('docs/channels.md is up to date.\n');
