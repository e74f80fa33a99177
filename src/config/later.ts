import { Type } from '@sinclair/typebox';
import { count, duration, flag, group, later, list, maybe, neverDisguised, table, text } from './keys.ts';

/**
 * Keys of the reference programs that do nothing here. They are typed, so that a config which uses them is read and
 * checked, and told of once at start. A channel that is built takes its key over.
 */

const noChannel = { withoutEffect: 'the channel it configures is not part of this version yet' };

const words = (description: string) => list(Type.String(), description);

const ampCode = group(
  'The Amp client.',
  {
    'upstream-url': text('', 'Address of the Amp service.'),
    'upstream-api-key': text('', 'Key of the Amp service.'),
    'upstream-api-keys': list(
      group('One key.', {
        'upstream-api-key': Type.String({ description: 'Key of the Amp service.' }),
        'api-keys': words('The client keys it is used for.'),
      }),
      'Keys of the Amp service by client key.',
    ),
    'restrict-management-to-localhost': flag(true, 'Only this machine may use the management routes.'),
    'model-mappings': list(
      group('One mapping.', {
        from: Type.String({ description: 'The model Amp asks for.' }),
        to: Type.String({ description: 'The model that answers.' }),
        params: table(Type.Unknown(), 'Parameters to set.'),
        regex: flag(false, '`from` is a regular expression.'),
      }),
      'Models that answer for others.',
    ),
    'force-model-mappings': flag(false, 'Mappings win over models that exist.'),
  },
  noChannel,
);

/** Keys that configure a channel which is not built yet, or which has its accounts from somewhere else. */
export const laterChannels = {
  'interactions-api-key': maybe(
    Type.Array(group('One key.', {}, { additionalProperties: true }), {
      description: 'Keys of the Gemini Interactions API.',
      ...noChannel,
    }),
  ),
  kiro: maybe(
    Type.Array(
      group('One account.', {
        'token-file': text('', 'File with the tokens.'),
        'access-token': text('', 'Access token.'),
        'refresh-token': text('', 'Refresh token.'),
        'profile-arn': text('', 'ARN of the profile.'),
        region: text('', 'AWS region.'),
        'proxy-url': text('', 'Proxy of this account.'),
        'agent-task-type': text('', 'Task type sent along.'),
        'preferred-endpoint': text('', 'Endpoint tried first.'),
      }),
      {
        description: 'Kiro accounts.',
        withoutEffect:
          'a login renews itself, so it lives in the auth folder: cliproxyapi++ auth import kiro FILE',
      },
    ),
  ),
  'kiro-preferred-endpoint': text('', 'Endpoint that Kiro accounts try first.', {
    withoutEffect: 'each login says it for itself: preferred_endpoint in its file',
  }),
  'kiro-fingerprint': maybe(
    group('Device description for Kiro.', {}, { additionalProperties: true, ...neverDisguised }),
  ),
  cursor: maybe(
    Type.Array(
      group('One account.', {
        'token-file': text('', 'File with the token.'),
        'cursor-api-url': text('', 'Address of a local Cursor API server.'),
        'auth-token': text('', 'Token of the account.'),
        'proxy-url': text('', 'Proxy of this account.'),
      }),
      { description: 'Cursor accounts.', withoutEffect: 'Cursor publishes no protocol for other programs' },
    ),
  ),
  ampcode: maybe(ampCode),
  'amp-code': maybe(ampCode),
};

/** Behaviour of the reference programs that is not built yet, or never will be; the reason says which. */
export const laterKeys = {
  pprof: maybe(
    group(
      'Go profiler.',
      { enable: flag(false, 'Switches it on.'), addr: text('127.0.0.1:8316', 'Where it listens.') },
      { withoutEffect: 'the profiler belongs to the Go runtime' },
    ),
  ),
  'commercial-mode': flag(false, 'Never captures whole requests.', later),
  'error-logs-max-files': Type.Integer({
    default: 10,
    description: 'Error logs to keep; 0 keeps all.',
    ...later,
  }),
  'request-log': flag(false, 'Writes every request and answer in full to a file.', later),
  'usage-statistics-enabled': flag(false, 'Counts requests and tokens.', {
    withoutEffect: 'metrics are always counted',
  }),
  'redis-usage-queue-retention-seconds': count(60, 'How long the usage queue keeps its items.', {
    withoutEffect: 'the port speaks HTTP only',
  }),
  'disable-claude-cloak-mode': flag(false, 'Never disguises requests.', neverDisguised),
  'ws-auth': flag(true, 'A client key is needed on /v1/ws.', later),
  'antigravity-signature-cache-enabled': flag(true, 'Remembers thinking signatures.', {
    withoutEffect: 'a signature always travels with its issuer',
  }),
  'antigravity-signature-bypass-strict': flag(false, 'Checks remembered signatures strictly.', {
    withoutEffect: 'a signature always travels with its issuer',
  }),
  'video-result-auth-cache-ttl': duration('3h', 'How long a video stays with its credential.', later),
  'claude-header-defaults': maybe(
    group('Headers of another client.', {}, { additionalProperties: true, ...neverDisguised }),
  ),
  'codex-header-defaults': maybe(
    group('Headers of another client.', {}, { additionalProperties: true, ...neverDisguised }),
  ),
  codex: maybe(
    group('The Codex channel.', {
      'identity-confuse': flag(false, 'Disguises the account.', neverDisguised),
      'disable-codex-cloaking': flag(false, 'Never disguises requests.', neverDisguised),
      'stream-bootstrap-buffering': flag(false, 'Holds opening events back.', {
        withoutEffect: 'streaming.hold-seconds does this for every channel',
      }),
      'optimize-multi-agent-v2': flag(false, 'Shortens multi-agent requests.', later),
      'live-media-relay': maybe(group('Relay of live media.', {}, { additionalProperties: true, ...later })),
    }),
  ),
  xai: maybe(group('The xAI channel.', { 'inject-x-search': flag(false, 'Adds the X search tool.', later) })),
  antigravity: maybe(
    group('The Antigravity channel.', {
      'sensitive-words': list(Type.String(), 'Words to obscure.', neverDisguised),
    }),
  ),
  'claude-code': maybe(
    group('Claude Code as a client.', {
      'disable-cloaking-model-list': list(Type.String(), 'Models never disguised.', neverDisguised),
    }),
  ),
  'credential-concurrency': maybe(
    group('Parallel requests per credential in a cluster.', {}, { additionalProperties: true, ...later }),
  ),
  'credential-in-flight': maybe(
    group('Requests in flight per credential in a cluster.', {}, { additionalProperties: true, ...later }),
  ),
  plugins: maybe(
    group(
      'Native plugins.',
      {},
      { additionalProperties: true, withoutEffect: 'this program loads no foreign code' },
    ),
  ),
};
