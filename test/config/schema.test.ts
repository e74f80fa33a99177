import { describe, expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { channel } from '../../src/channels/channel.ts';
import { documentSchema, keysForRestart, rowsOf } from '../../src/config/schema.ts';
import { parse } from './support.ts';

const rows = [...rowsOf(documentSchema())];

/** Every top-level key of the reference programs, both lines of them. */
const referenceKeys =
  `host port tls remote-management auth-dir api-keys debug pprof commercial-mode logging-to-file
  logs-max-total-size-mb error-logs-max-files usage-statistics-enabled redis-usage-queue-retention-seconds
  disable-cooling disable-claude-cloak-mode save-cooldown-status transient-error-cooldown-seconds
  auth-auto-refresh-workers request-retry max-retry-credentials max-retry-interval quota-exceeded routing ws-auth
  antigravity-signature-cache-enabled antigravity-signature-bypass-strict responses-websocket-enabled
  responses-compact-enabled proxy-url disable-image-generation gpt-image-2-base-model video-result-auth-cache-ttl
  force-model-prefix request-log passthrough-headers streaming nonstream-keepalive-interval gemini-api-key
  claude-api-key codex-api-key vertex-api-key openai-compatibility interactions-api-key xai-api-key
  oauth-excluded-models oauth-model-alias oauth-upstream oauth-request-scoped-errors payload claude-header-defaults
  codex-header-defaults codex xai antigravity claude-code credential-concurrency credential-in-flight plugins
  incognito-browser kiro kiro-preferred-endpoint kiro-fingerprint cursor amp-code ampcode minimax roo kilo deepseek
  groq mistral siliconflow openrouter together fireworks novita`.split(/\s+/);

const referencePaths =
  `tls.enable tls.cert tls.key remote-management.allow-remote remote-management.secret-key
  remote-management.disable-control-panel remote-management.disable-auto-update-panel
  remote-management.panel-github-repository pprof.enable pprof.addr quota-exceeded.switch-project
  quota-exceeded.switch-preview-model quota-exceeded.antigravity-credits routing.strategy routing.session-affinity
  routing.session-affinity-ttl streaming.keepalive-seconds streaming.bootstrap-retries codex.identity-confuse
  codex.disable-codex-cloaking codex.stream-bootstrap-buffering codex.optimize-multi-agent-v2 codex.live-media-relay
  xai.inject-x-search antigravity.sensitive-words claude-code.disable-cloaking-model-list payload.default
  payload.default-raw payload.override payload.override-raw payload.filter`.split(/\s+/);

describe('the schema', () => {
  test.each([...referenceKeys, ...referencePaths])('knows %s', (key) => {
    expect(rows.map(({ path }) => path)).toContain(key);
  });

  test('describes every key, because the manual is made from it', () => {
    expect(rows.filter(({ schema }) => !schema.description).map(({ path }) => path)).toEqual([]);
  });

  test('ends every description as a sentence', () => {
    expect(
      rows.filter(({ schema }) => !/[.)]$/.test(schema.description ?? '')).map(({ path }) => path),
    ).toEqual([]);
  });

  test('accepts its own defaults', () => {
    expect(parse('').config).toMatchObject({
      host: '',
      port: 8317,
      'api-keys': [],
      limits: { 'body-mb': 64, 'decoded-body-mb': 64 },
      timeouts: { 'connect-seconds': 10, 'first-byte-seconds': 600, 'gap-seconds': 300 },
      streaming: { 'heartbeat-seconds': 15, 'hold-seconds': 10 },
      routing: { strategy: 'round-robin' },
    });
  });

  test('says why of each key without effect', () => {
    const found = new Map(rows.map(({ path, schema }) => [path, schema.withoutEffect]));
    for (const key of [
      'pprof',
      'plugins',
      'claude-header-defaults',
      'codex-header-defaults',
      'codex.identity-confuse',
      'antigravity.sensitive-words',
      'disable-claude-cloak-mode',
    ])
      expect(found.get(key)).toBeString();
    expect(found.get('api-keys')).toBeUndefined();
    expect(found.get('responses-websocket-enabled')).toBeUndefined();
  });

  test('names the keys that need a restart', () => {
    expect(keysForRestart()).toEqual([
      'host',
      'port',
      'tls.enable',
      'tls.cert',
      'tls.key',
      'auth-dir',
      'logs-dir',
      'state-dir',
      'limits.client-seconds',
    ]);
  });

  test('gives a key to the channel that names it', () => {
    const kiro = channel({
      id: 'kiro',
      settings: { kiro: Type.Object({ region: Type.String({ default: 'eu' }) }) },
      open: () => [],
    });
    const { config, notices } = parse('kiro: {}\n', { channels: [kiro] });
    expect((config as Record<string, unknown>).kiro).toEqual({ region: 'eu' });
    expect(notices).toEqual([]);
  });
});
