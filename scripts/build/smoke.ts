import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, until } from '../run/port.ts';

/**
 * Proves that a freshly built binary runs: it says its version, serves with a config of its own, answers
 * `/healthz`, and ends well on SIGTERM. Ends the build with exit code 1 when it does not.
 */
export async function smoke(binary: string, version: string): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'cliproxyapi-smoke-'));
  try {
    const env = { HOME: home, PATH: process.env['PATH'] ?? '' };
    const said = Bun.spawnSync([binary, '--version'], { env, cwd: home });
    const first = said.stdout.toString().trim();
    if (said.exitCode !== 0 || !first.includes(version)) throw new Error(`--version said "${first}"`);
    await serves(binary, home, env);
    console.log(`smoke test: ${first}, serves, ends on SIGTERM`);
  } catch (error) {
    console.error(
      `smoke test of ${binary} failed: ${error instanceof Error ? error.message : String(error)}`,
    );
    process.exit(1);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function serves(binary: string, home: string, env: Record<string, string>): Promise<void> {
  const port = freePort();
  const config = join(home, 'config.yaml');
  writeFileSync(
    config,
    `host: 127.0.0.1\nport: ${port}\nauth-dir: ${home}/auth\napi-keys: [smoke-test-key-0123456789]\n`,
  );
  const child = Bun.spawn([binary, 'serve', '--config', config], {
    env,
    cwd: home,
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const output = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  try {
    await until(() => fetch(`http://127.0.0.1:${port}/healthz`).then((answer) => answer.ok), child.exited);
    child.kill('SIGTERM');
    const code = await Promise.race([child.exited, Bun.sleep(10_000)]);
    if (code !== 0)
      throw new Error(code === undefined ? 'SIGTERM did not end it' : `it ended with exit code ${code}`);
  } catch (error) {
    child.kill('SIGKILL');
    throw new Error(`${error instanceof Error ? error.message : error}\n${(await output).join('')}`, {
      cause: error,
    });
  }
}
