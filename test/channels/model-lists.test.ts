import { describe, expect, test } from 'bun:test';
import claude from '../../src/channels/claude/index.ts';
import codex from '../../src/channels/codex/index.ts';
import gemini from '../../src/channels/gemini/index.ts';
import xai from '../../src/channels/xai/index.ts';
import { opened, sent } from './tools.ts';

const key = { 'api-key': 'a-key-0123456789', 'discover-models': true };

describe('a place that is asked for its models', () => {
  test.each([
    [claude, 'claude-api-key', 'https://api.anthropic.com/v1/models?limit=1000', 'x-api-key'],
    [codex, 'codex-api-key', 'https://api.openai.com/v1/models', 'authorization'],
    [xai, 'xai-api-key', 'https://api.x.ai/v1/models', 'authorization'],
    [
      gemini,
      'gemini-api-key',
      'https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000',
      'x-goog-api-key',
    ],
  ] as const)(
    '%# is asked where its vendor documents the list, with its key and without a body',
    async (channel, slice, url, header) => {
      const [connection] = opened(channel as never, slice, [key] as never).connections;
      const outgoing = await sent(connection!, { operation: 'models' });
      expect(outgoing).toMatchObject({ method: 'GET', url });
      expect(outgoing.body).toBeUndefined();
      expect(outgoing.headers.get(header)).toContain('a-key-0123456789');
      expect(connection!.models.live).toBe(true);
    },
  );
});
