import { afterAll, beforeAll, expect, test } from 'bun:test';
import { cleanUp, clientKey } from '../support/binary.ts';
import type { Fault } from '../support/simulator.ts';
import { ask, behind, directions, gateway, type Gateway } from './gateway.ts';

/** Secrets and prompts go in wherever anything goes in, and must come out nowhere but where they were sent. */

const upstreamKey = 'sk-canary-upstream-7c1f0a9b8e2d3f4a';
const otherUpstreamKey = 'sk-canary-other-upstream-19ab73c0d2e4';
const managementKey = 'canary-management-5d0c4b3a2f1e';
const canaries = {
  upstreamKey,
  otherUpstreamKey,
  managementKey,
  clientKey,
  wrongKey: 'sk-canary-wrong-client-0f1e2d3c4b5a',
  cookie: 'canary-cookie-8a7b6c5d4e3f',
  header: 'canary-header-2b3c4d5e6f70',
  query: 'canary-query-61728394a5b6',
  prompt: 'canary-prompt-c0ffee123456',
  upstreamHeader: 'canary-configured-header-9e8d7c6b5a49',
};

let it: Gateway;
const answers: string[] = [];

beforeAll(async () => {
  it = await gateway({
    keys: [upstreamKey, otherUpstreamKey],
    more: `debug: true\nremote-management:\n  secret-key: ${managementKey}\n`,
  });
});
afterAll(() => it?.stop());
afterAll(cleanUp);

const echo = JSON.stringify({
  error: {
    message: `Incorrect API key provided: ${upstreamKey}; also ${otherUpstreamKey}`,
    type: 'invalid_request_error',
  },
});

test('canary secrets are in no log, no error, no metric and no management answer', async () => {
  const headers = {
    cookie: `session=${canaries.cookie}`,
    'x-secret-of-mine': canaries.header,
    'x-request-id': 'req-canary-test',
  };
  const faults: (Fault | undefined)[] = [
    undefined,
    { kind: 'status', status: 400, body: echo },
    { kind: 'status', status: 401, body: echo },
    { kind: 'status', status: 500, body: `<html>${upstreamKey}</html>` },
    { kind: 'reset', when: 'before-headers' },
    { kind: 'malformed', after: 1 },
  ];
  for (const direction of directions)
    for (const fault of faults)
      for (const stream of [true, false]) {
        behind(it, direction).next.push(fault, fault);
        const response = await ask(it.program, direction, canaries.prompt, { headers, body: { stream } });
        const text = await response.text().catch(String);
        // The simulated model repeats the prompt; only errors must not.
        if (!response.ok) answers.push(text, JSON.stringify([...response.headers]));
        behind(it, direction).reset();
      }
  for (const direction of directions) {
    const wrong = await ask(it.program, direction, canaries.prompt, {
      headers: { authorization: `Bearer ${canaries.wrongKey}` },
    });
    answers.push(await wrong.text());
  }
  const get = async (path: string, authorization?: string) => {
    const response = await fetch(it.program.url + path, authorization ? { headers: { authorization } } : {});
    answers.push(await response.text());
    return response.status;
  };
  await get(`/v1/models?key=${canaries.query}`);
  await get(`/nowhere?auth_token=${canaries.query}`);
  expect(await get('/v1/metrics/providers')).toBe(200);
  expect(await get('/metrics')).toBe(200);
  expect(await get('/v0/management/logs', `Bearer ${managementKey}`)).toBe(200);
  expect(await get('/v0/management/config', `Bearer ${managementKey}`)).toBe(200);
  await get('/v0/management/config', `Bearer ${canaries.wrongKey}`);
  await get('/v0/management/config', `Bearer ${clientKey}`);
  await it.program.stop();

  const everything = [...answers, it.program.output()].join('\n');
  expect(it.program.output()).toContain('req-canary-test');
  const leaked = Object.entries(canaries).filter(([, secret]) => everything.includes(secret));
  expect(leaked.map(([name]) => name)).toEqual([]);
});

test('what goes to the provider is its key and the prompt, never the client’s key, cookies or own headers', async () => {
  const other = await gateway({ keys: [upstreamKey] });
  for (const direction of directions) {
    const sent = await ask(other.program, direction, 'Hi', {
      headers: {
        cookie: `session=${canaries.cookie}`,
        'x-secret-of-mine': canaries.header,
        'x-forwarded-for': '10.1.2.3',
      },
    });
    expect(sent.status).toBe(200);
    const [received] = behind(other, direction).received.slice(-1);
    const seen = JSON.stringify([received!.url, ...received!.headers]) + received!.body;
    expect(seen).toContain(upstreamKey);
    for (const secret of [clientKey, canaries.cookie, canaries.header, '10.1.2.3'])
      expect(seen).not.toContain(secret);
  }
  await other.stop();
});
