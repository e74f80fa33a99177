import { describe, expect, test } from 'bun:test';
import type { Connection } from '../../src/channels/channel.ts';
import { buildRuntime } from '../../src/config/build.ts';
import { loginSettings, placesOf } from '../../src/config/logins.ts';
import type { Json } from '../../src/core/json.ts';
import { testLogin } from '../support/login.ts';
import { loginChannel } from '../support/login-channel.ts';
import { parse } from './support.ts';

/** How the config and the fields of a file become the connections of logins. */

const url = 'http://127.0.0.1:9';
const endpoints = { authorize: `${url}/a`, token: `${url}/t`, device: `${url}/d`, verify: `${url}/v` };
const channel = loginChannel({ url, endpoints });

function build(config: string, ...files: readonly Json[]) {
  const logins = files.map((fields) => testLogin(channel.logins!, fields));
  return buildRuntime(config, {
    file: 'config.yaml',
    environment: {},
    channels: [channel],
    logins: () => logins,
  });
}

const open = (config: string, fields: Json): Connection =>
  build(config, { email: 'you@example.com', ...fields }).runtime.connections[0]!;

describe('what a file says', () => {
  test.each([
    [{ priority: '7', weight: 3, proxy_url: 'direct' }],
    [{ priority: 7, weight: '3', 'proxy-url': 'direct' }],
  ])('priority, weight and proxy are read in either spelling: %j', (fields) => {
    const [account] = open('', fields).accounts;
    expect(account).toMatchObject({ priority: 7, weight: 3, proxy: 'direct', label: 'test you@example.com' });
  });

  test('prefix, exclusions and aliases of the file come before those of the config', () => {
    const config = [
      'oauth-excluded-models: {TEST: [Old-*]}',
      'oauth-model-alias: {test: [{name: b, alias: two}, {name: c, alias: three, fork: true}]}',
    ].join('\n');
    const { models } = open(config, {
      prefix: '/team/',
      'excluded-models': ['new-*', 7],
      model_aliases: [{ name: 'a', alias: 'two', 'force-mapping': true }],
    });
    expect(models.prefix).toBe('team');
    expect(models.excluded).toEqual(['new-*', 'old-*']);
    expect(models.aliases).toEqual([
      { name: 'a', alias: 'two', forceMapping: true },
      { name: 'c', alias: 'three', fork: true },
    ]);
  });

  test('one login that cannot be opened is told of and costs nobody else anything', () => {
    const { runtime, notices } = build('', { email: 'a@x', proxy_url: 'ftp://nowhere' }, { email: 'b@x' });
    expect(runtime.connections.map(({ accounts }) => accounts[0]!.label)).toEqual(['test b@x']);
    expect(notices.at(-1)!.message).toMatch(/test-a@x\.json .* not used: The proxy URL/);
  });
});

describe('what the config says', () => {
  const [place] = placesOf([channel]);
  const settings = (text: string, environment = {}) =>
    loginSettings(parse(text, { channels: [channel] }).config, environment);

  test('addresses and clients are overridden by channel, in any case and by a type of its files', () => {
    const { endpoints: found, client } = settings(
      [
        'oauth-upstream: {Test: "http://upstream/v1/"}',
        'oauth-endpoints: {test-old: {token: "http://other/token"}}',
        'oauth-clients: {test: {client-id: mine, client-secret: hush}}',
      ].join('\n'),
    );
    expect(found(place!)).toMatchObject({
      api: 'http://upstream/v1',
      token: 'http://other/token',
      device: endpoints.device,
    });
    expect(client(place!)).toEqual({ id: 'mine', secret: 'hush' });
  });

  test('without a word the channel’s own client is used, and 16 are renewed at a time', () => {
    expect(settings('').client(place!)).toEqual({ id: 'test-client' });
    expect([settings('').workers, settings('auth-auto-refresh-workers: 2').workers]).toEqual([16, 2]);
  });
});
