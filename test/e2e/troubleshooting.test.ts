import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { cleanUp, clientKey, shell } from '../support/binary.ts';
import { gateway, type Gateway } from './gateway.ts';

/** Every command of the user's troubleshooting page, as it is written there; only port, key and model are filled in. */

const secret = 'set-a-strong-key';

let it: Gateway;
beforeAll(async () => {
  it = await gateway();
});
afterAll(() => it?.stop());
afterAll(cleanUp);

const has = (...programs: string[]) => programs.every((program) => Bun.which(program) !== null);
const pasting = has('curl', 'jq', 'head', 'bash') ? test : test.skip;
const listing = has('lsof') ? test : test.skip;

/** Pastes a command of the page into a shell. */
async function paste(command: string): Promise<string> {
  const filled = command
    .replaceAll('localhost:8317', `localhost:${it.program.port}`)
    .replaceAll(':8317', `:${it.program.port}`)
    .replaceAll(/<your-client-key>|<your-api-key>|<key>/g, clientKey)
    .replaceAll('<model-id>', 'gpt-sim');
  const { code, stdout, stderr } = await shell(filled);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

describe('fast triage checklist', () => {
  pasting('is the process healthy?', async () => {
    expect(JSON.parse(await paste('curl -sS http://localhost:8317/health'))).toMatchObject({ status: 'ok' });
  });

  pasting('is API key auth configured correctly?', async () => {
    const models = await paste(`curl -sS http://localhost:8317/v1/models \\
  -H "Authorization: Bearer <your-client-key>"`);
    expect(JSON.parse(models)).toMatchObject({
      object: 'list',
      data: [{ id: 'claude-sim' }, { id: 'gpt-sim' }],
    });
  });

  pasting('what models are actually exposed?', async () => {
    const ids = await paste(`curl -sS http://localhost:8317/v1/models \\
  -H "Authorization: Bearer <your-client-key>" | jq '.data[].id' | head`);
    expect(ids).toBe('"claude-sim"\n"gpt-sim"\n');
  });

  pasting('any provider-side stress?', async () => {
    await paste(minimal);
    const metrics = JSON.parse(
      await paste('curl -sS http://localhost:8317/v1/metrics/providers | jq'),
    ) as Record<string, { request_count: number; success_rate: number }>;
    expect(metrics.sim).toMatchObject({ failure_count: 0, success_rate: 1 });
    expect(metrics.sim!.request_count).toBeGreaterThan(0);
  });
});

const minimal = `curl -sS -X POST http://localhost:8317/v1/chat/completions \\
  -H "Authorization: Bearer <your-client-key>" \\
  -H "Content-Type: application/json" \\
  -d '{"model":"<model-id>","messages":[{"role":"user","content":"ping"}],"stream":false}'`;

const loop = `for endpoint in health models v1/metrics/providers v0/management/logs; do
  curl -sS "http://localhost:8317/$endpoint" -H "Authorization: Bearer <your-api-key>" | head -n 3
done`;

describe('troubleshooting matrix', () => {
  pasting('401 on a request: the immediate check', async () => {
    const answer = await paste('curl -sS http://localhost:8317/v1/models -H "Authorization: Bearer <key>"');
    expect(JSON.parse(answer)).toMatchObject({ object: 'list' });
    const wrong = await paste(
      'curl -sS http://localhost:8317/v1/models -H "Authorization: Bearer sk-wrong-key-123456"',
    );
    expect(wrong).not.toContain('sk-wrong-key-123456');
    expect(JSON.parse(wrong)).toMatchObject({ error: { code: 'invalid_api_key' } });
  });

  pasting('streaming hangs: the same request with and without stream', async () => {
    expect(
      await paste(minimal.replace('curl -sS', 'curl -sSN').replace('"stream":false', '"stream":true')),
    ).toMatch(/^data: [\s\S]*data: \[DONE\]\n\n$/);
  });

  pasting('the issue-entry checklist, with management off', async () => {
    const answer = await paste(loop);
    expect(answer).toContain('"status":"ok"');
    expect(answer).toContain('gpt-sim');
    expect(answer).toContain('remote-management.secret-key');
  });

  pasting('the issue-entry checklist, with management on, never bans who runs it', async () => {
    const other = await gateway({ more: `remote-management:\n  secret-key: "${secret}"\n` });
    const before = it;
    it = other;
    try {
      for (let count = 0; count < 7; count++) expect(await paste(loop)).toMatch(/client key/i);
      const headers = { authorization: `Bearer ${secret}` };
      const logs = await fetch(`${other.program.url}/v0/management/logs?limit=5`, { headers });
      expect(logs.status).toBe(200);
      expect(await logs.json()).toHaveProperty('lines');
      const config = await fetch(`${other.program.url}/v0/management/config`, { headers });
      expect(config.status).toBe(200);
      const text = await config.text();
      for (const hidden of [clientKey, secret]) expect(text).not.toContain(hidden);
    } finally {
      it = before;
      await other.stop();
    }
  });
});

describe('service does not start', () => {
  listing('lsof names the process that listens', async () => {
    expect(await paste('lsof -iTCP:8317 -sTCP:LISTEN')).toContain(String(it.program.pid));
  });
});

describe('management API returns 404', () => {
  pasting('with a body that names the setting', async () => {
    const response = await fetch(`${it.program.url}/v0/management/config`);
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('remote-management.secret-key');
  });
});

describe('provider 403 fast path', () => {
  pasting('step 1 lists the models', async () => {
    const ids = await paste(`curl -sS http://localhost:8317/v1/models \\
  -H "Authorization: Bearer <your-client-key>" | jq '.data[].id' | head -n 20`);
    expect(ids).toContain('"gpt-sim"');
  });

  pasting('step 2 runs a minimal request', async () => {
    expect(JSON.parse(await paste(minimal))).toMatchObject({
      choices: [{ message: { content: 'You said: ping' } }],
    });
  });

  pasting('step 3 reads the metrics with a key', async () => {
    const metrics = await paste(`curl -sS http://localhost:8317/v1/metrics/providers \\
  -H "Authorization: Bearer <your-client-key>" | jq`);
    expect(JSON.parse(metrics)).toHaveProperty('sim');
  });

  pasting('a 403 of the provider reaches the user as 403 and shows in the metrics', async () => {
    const other = await gateway();
    const before = it;
    it = other;
    try {
      other.openai.always = { kind: 'status', status: 403 };
      expect(await paste(`${minimal} -o /dev/null -w '%{http_code}'`)).toBe('403');
      const metrics = JSON.parse(
        await paste('curl -sS http://localhost:8317/v1/metrics/providers | jq'),
      ) as Record<string, { last_error: { status: number } }>;
      expect(metrics.sim).toMatchObject({ failure_count: 1, last_error: { status: 403 } });
    } finally {
      it = before;
      await other.stop();
    }
  });
});
