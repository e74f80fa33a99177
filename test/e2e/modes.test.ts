import { afterAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, freePort, launch, start, temporaryHome } from '../support/binary.ts';

/** Whatever the program writes is for its owner alone, also where the shell's umask gives everybody everything. */

afterAll(cleanUp);

const wrapper = ['sh', '-c', 'umask 000; exec "$0" "$@"'];

/** Everything below a folder with its mode, as `600 config.yaml`. */
const modes = (home: string): string[] =>
  readdirSync(home, { recursive: true, encoding: 'utf8' }).map((name) => {
    const found = statSync(join(home, name));
    return `${found.isDirectory() ? 'folder' : 'file'} ${(found.mode & 0o777).toString(8)} ${name}`;
  });
const lax = (home: string) => modes(home).filter((line) => !/^(folder 700|file 600) /.test(line));

test('config, logs, state, traces, logins, locks and exports are 0600 in folders of 0700, under umask 000', async () => {
  const home = temporaryHome();
  const port = freePort();
  // The first run writes a config; its folder is this one.
  const first = await launch({ home, wrapper, env: { CLIPROXY_PORT: String(port) } });
  const banner = await first.said(/curl /);
  const config = /(\S+config\.yaml)/.exec(banner)![1]!;
  await first.stop();
  expect(lax(home)).toEqual([]);

  const management = 'the-management-key-of-modes';
  const auth = join(home, 'new', 'auth');
  writeFileSync(
    config,
    `${readFileSync(config, 'utf8')}\nlogging-to-file: true\nauth-dir: ${auth}\nremote-management: {secret-key: ${management}}\n`,
  );
  const key = /api-keys:\s*\n\s*-\s*"?([^"\s]+)/.exec(readFileSync(config, 'utf8'))![1]!;
  const program = await start({
    home,
    port,
    wrapper,
    env: { CLIPROXY_PORT: String(port) },
    args: ['--config', config],
  });
  const ask = (path: string, bearer: string, init: RequestInit = {}) =>
    fetch(program.url + path, { ...init, headers: { authorization: `Bearer ${bearer}` } }).then((answer) =>
      answer.text(),
    );
  const messages = [{ role: 'user', content: 'hi' }];
  await ask('/v1/chat/completions', key, {
    method: 'POST',
    body: JSON.stringify({ model: 'demo', messages }),
  });
  const login = {
    type: 'codex',
    refresh_token: 'r',
    access_token: 'a',
    account_id: 'acct',
    email: 'you@example.com',
  };
  await ask('/v0/management/auth-files?name=x.json', management, {
    method: 'POST',
    body: JSON.stringify(login),
  });
  const text = await ask('/v0/management/config.yaml', management);
  await ask('/v0/management/config.yaml', management, { method: 'PUT', body: `${text}\n# changed\n` });
  expect(readFileSync(config, 'utf8')).toContain('# changed');
  await program.stop();
  const run = async (...args: string[]) => {
    const command = await launch({ home, wrapper, args: [...args, '--config', config] });
    expect([await command.exited, command.output()]).toEqual([0, expect.any(String)]);
  };
  await run('auth', 'export', 'codex-you@example.com.json', join(home, 'exports', 'login.json'), '--yes');
  await run('auth', 'disable', 'codex-you@example.com.json');
  const written = modes(home).join('\n');
  for (const part of [
    'config.yaml',
    'main.log',
    'state.sqlite',
    'codex-you@example.com.json',
    'exports/login.json',
  ])
    expect(written).toContain(part);
  expect(lax(home)).toEqual([]);
}, 60_000);
