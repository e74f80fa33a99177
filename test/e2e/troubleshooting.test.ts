import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { cleanUp, clientKey, shell } from '../support/binary.ts';
import { gateway, type Gateway, type Wish } from './gateway.ts';

/** Every command of the user's troubleshooting page, as it is written there; only port, key and model are filled in. */

const secret = 'set-a-strong-key';
const managed: Wish = { more: `remote-management:\n  secret-key: "${secret}"\n` };
const managing = (other: Gateway, path: string) =>
  fetch(`${other.program.url}/v0/management${path}`, { headers: { authorization: `Bearer ${secret}` } });

let it: Gateway;
beforeAll(async () => {
  it = await gateway();
});
afterAll(() => it?.stop());
afterAll(cleanUp);

const has = (...programs: string[]) => programs.every((program) => Bun.which(program) !== null);
const pasting = has('curl', 'jq', 'head', 'bash') ? test : test.skip;
const listing = has('lsof') ? test : test.skip;

/** Lets another gateway stand where the page's is, for as long as the work takes. */
async function instead(wish: Wish, work: (other: Gateway) => Promise<void>): Promise<void> {
  const other = await gateway(wish);
  const before = it;
  it = other;
  try {
    await work(other);
  } finally {
    it = before;
    await other.stop();
  }
}

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
    await instead(managed, async (other) => {
      for (let count = 0; count < 7; count++) expect(await paste(loop)).toMatch(/client key/i);
      const logs = await managing(other, '/logs?limit=5');
      expect(logs.status).toBe(200);
      expect(await logs.json()).toHaveProperty('lines');
      const config = await managing(other, '/config');
      expect(config.status).toBe(200);
      const text = await config.text();
      for (const hidden of [clientKey, secret]) expect(text).not.toContain(hidden);
    });
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

  pasting(
    'a 403 of the provider is passed on with its kind and remedy, and found in logs and metrics',
    async () => {
      await instead(managed, async (other) => {
        other.openai.always = {
          kind: 'status',
          status: 403,
          body: '{"error":{"message":"Your plan does not include this model. Please upgrade.","type":"permission_error"}}',
        };
        expect(JSON.parse(await paste(minimal))).toMatchObject({
          error: {
            code: 'upstream_not_entitled',
            message: expect.stringMatching(/plan does not include.*operator should check/s),
          },
        });
        expect(await paste(`${minimal} -o /dev/null -w '%{http_code}'`)).toBe('403');
        const logs = await (await managing(other, '/logs')).text();
        expect(logs.replaceAll('\\"', '"')).toContain('status_code":403');
        expect(await stress()).toMatchObject({ last_error: { status: 403, code: 'upstream_not_entitled' } });
      });
    },
  );
});

/** What the page's metrics command says of the simulated provider. */
async function stress(): Promise<unknown> {
  const metrics: unknown = JSON.parse(
    await paste('curl -sS http://localhost:8317/v1/metrics/providers | jq'),
  );
  return (metrics as { readonly sim: unknown }).sim;
}

describe('429 and rate-limit cascades', () => {
  pasting('who rests, why and until when is in the answer, and when to come back in its header', async () => {
    await instead({ keys: ['sk-sim-one-0123456789', 'sk-sim-two-0123456789'] }, async (other) => {
      other.openai.always = { kind: 'status', status: 429, headers: { 'retry-after': '30' } };
      const answers = [];
      for (let count = 0; count < 3; count++) answers.push(await paste(`${minimal} -i`));
      const last = answers.at(-1)!;
      expect(last).toMatch(/^HTTP\/1.1 429/);
      expect(Number(/^retry-after: (\d+)/im.exec(last)?.[1])).toBeWithin(1, 31);
      const body = JSON.parse(last.slice(last.indexOf('{')));
      expect(body.error).toMatchObject({ code: 'rate_limit_exceeded' });
      for (const end of ['sk-s...6789', 'upstream status 429', 'next try in'])
        expect(body.error.message).toContain(end);
      expect(await stress()).toMatchObject({ credentials_cooling: 2, last_error: { status: 429 } });
    });
  });
});

describe('model not found', () => {
  pasting('names what is near, and who keeps the model back', async () => {
    const more = [
      'gemini-api-key:',
      '  - api-key: a-gemini-key-0123456789',
      '    models: [{name: gemini-real, alias: gemini-nice}, {name: gpt-hidden}]',
      '    excluded-models: ["*-hidden"]',
      '    prefix: team-a',
      'force-model-prefix: true',
      '',
    ].join('\n');
    await instead({ more }, async () => {
      const asked = async (model: string) =>
        JSON.parse(await paste(minimal.replace('<model-id>', model))).error as {
          code: string;
          message: string;
        };
      const unknown = await asked('gtp-sim');
      expect(unknown.code).toBe('model_not_found');
      expect(unknown.message).toContain('Did you mean "gpt-sim"');
      expect((await asked('gpt-hidden')).message).toContain('excluded by the pattern "*-hidden"');
      expect((await asked('gemini-nice')).message).toContain('"team-a/gemini-nice"');
      expect((await asked('gemini-real')).message).toContain('under its alias "gemini-nice"');
      const ids = await paste(`curl -sS http://localhost:8317/v1/models \\
  -H "Authorization: Bearer <your-client-key>" | jq '.data[].id' | head`);
      expect(ids).toContain('"team-a/gemini-nice"');
    });
  });
});

describe('401 on /v1', () => {
  pasting.each([
    ['no key', '', 'No client key was sent'],
    ['a placeholder', '-H "Authorization: Bearer your-api-key-1"', 'placeholder'],
    ['quotes around the key', `-H "x-api-key: '${'sk-0123456789abcdef'}'"`, 'quote'],
    ['a wrong key', '-H "x-api-key: sk-0123456789abcdef"', 'sk-0...cdef in x-api-key'],
  ])('%s is told apart from the others', async (_, header, words) => {
    const answer = await paste(`curl -sS http://localhost:8317/v1/models ${header}`);
    expect(JSON.parse(answer)).toMatchObject({ error: { code: 'invalid_api_key' } });
    expect(JSON.parse(answer).error.message).toContain(words);
  });
});
