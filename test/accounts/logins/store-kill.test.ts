import { afterAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tidy } from '../../../src/accounts/logins/store.ts';
import type { Json } from '../../../src/core/json.ts';
import { loginFields } from '../../support/login-channel.ts';
import { noon, openDesk } from './desk.ts';

/** Renewals that are killed at any moment. Refresh tokens stay as they are here, so that the next child can go on. */

const desk = openDesk({ rotate: false, now: Date.now, date: Date.now });
const built = await Bun.build({
  entrypoints: [join(import.meta.dir, 'renewing-child.ts')],
  outdir: `${desk.folder}-child`,
  target: 'bun',
  format: 'cjs',
  minify: true,
  // Starting is nearly all that a child does, so it is compiled once for all of them.
  bytecode: true,
});
const child = built.outputs.find(({ kind }) => kind === 'entry-point')!.path;
afterAll(async () => {
  rmSync(`${desk.folder}-child`, { recursive: true, force: true });
  await desk.close();
});

/** Starts a child, and waits until it has renewed its login so many times. */
async function startChild(folder: string, renewals: number) {
  const command = [process.execPath, child, folder, desk.provider.endpoints.token];
  const started = Bun.spawn(command, { stdout: 'pipe', stderr: 'inherit' });
  const reader = started.stdout.getReader();
  for (let dots = 0; dots <= renewals;) dots += (await reader.read()).value?.length ?? Infinity;
  return started;
}

test('kill -9 at 200 random moments of renewals never loses a token file or leaves half of one', async () => {
  const kept = { note: 'the operator wrote this', extra: { kept: true } };
  const seen = new Set<unknown>();
  let kills = 0;

  /** One login in a folder of its own, whose renewing process is killed and started again. */
  async function lane(name: string): Promise<void> {
    const folder = join(desk.folder, name);
    const file = `${name}/test-person.json`;
    const first = loginFields(desk.provider, noon, kept);
    desk.write(file, first);
    while (kills < 200) {
      kills++;
      const started = await startChild(folder, kills % 2);
      await Bun.sleep(Math.floor(Math.random() * 12));
      started.kill('SIGKILL');
      await started.exited;
      const fields = JSON.parse(readFileSync(join(desk.folder, file), 'utf8')) as Json;
      expect(fields).toMatchObject({
        ...kept,
        type: 'test',
        refresh_token: first['refresh_token'] as string,
      });
      expect(desk.provider.check(String(fields['access_token']))).not.toBe('unknown');
      seen.add(fields['access_token']);
    }
  }

  await Promise.all([lane('a'), lane('b'), lane('c'), lane('d')]);
  // The kills fell among renewals: every second child had written one before its end.
  expect(seen.size).toBeGreaterThan(90);
  await tidy(desk, Date.now() + 7_200_000);
  expect(
    readdirSync(desk.folder, { recursive: true }).filter((name) => String(name).endsWith('.tmp')),
  ).toEqual([]);
}, 300_000);
