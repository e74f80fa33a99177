import { expect, test } from 'bun:test';
import { maskSecrets } from '../../src/config/edit.ts';
import { parse } from './support.ts';

const secret = 'canary-value-0123456789';

const text = `
api-keys: [${secret}]
proxy-url: http://me:${secret}@proxy.example:3128
tls: {cert: a.pem, key: my-key.pem}
remote-management: {secret-key: ${secret}}
claude-api-key:
  - api-key: ${secret}
    proxy-url: socks5://me:${secret}@10.0.0.1:1080
    base-url: https://user:${secret}@api.example/v1
    headers: {X-Auth-Token: ${secret}, X-Title: my title, X-Copy: $X-Session, X-Other: sk-live-${secret}}
    models: [{name: claude-sonnet-4-5, alias: gpt-5}]
openai-compatibility:
  - name: a
    base-url: https://a.example/v1
    api-key-entries: [{api-key: ${secret}}]
kiro: [{access-token: ${secret}, refresh-token: ${secret}, token-file: ~/kiro.json}]
ampcode: {upstream-api-key: ${secret}, upstream-api-keys: [{upstream-api-key: ${secret}, api-keys: [${secret}]}]}
`;

test('masks every secret and leaves everything else', () => {
  const masked = maskSecrets(parse(text).config);
  expect(JSON.stringify(masked)).not.toContain(secret);
  expect(masked).toMatchObject({
    'api-keys': ['cana...6789'],
    'proxy-url': 'http://...@proxy.example:3128',
    'remote-management': { 'secret-key': 'cana...6789', 'allow-remote': false },
    'claude-api-key': [
      {
        'api-key': 'cana...6789',
        'proxy-url': 'socks5://...@10.0.0.1:1080',
        'base-url': 'https://...@api.example/v1',
        headers: {
          'X-Auth-Token': 'cana...6789',
          'X-Title': 'my title',
          'X-Copy': '$X-Session',
          'X-Other': 'sk-l...6789',
        },
        models: [{ name: 'claude-sonnet-4-5', alias: 'gpt-5' }],
      },
    ],
    kiro: [{ 'token-file': '~/kiro.json' }],
    port: 8317,
  });
  expect((masked.tls as { key: string }).key).toEndWith('my-key.pem');
});

test('changes nothing in the config itself', () => {
  const { config } = parse(text);
  maskSecrets(config);
  expect(config['api-keys']).toEqual([secret]);
});
