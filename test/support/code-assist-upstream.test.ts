import { afterAll, expect, test } from 'bun:test';
import type { Json } from '../../src/core/json.ts';
import { codeAssistUpstream } from './code-assist-upstream.ts';
import { oauthServer } from './oauth-server.ts';

/** What the simulated Code Assist refuses, as the real one does. */

let now = Date.now();
const provider = oauthServer({ now: () => now });
const cli = codeAssistUpstream('gemini-cli', provider);
const antigravity = codeAssistUpstream('antigravity', provider);
afterAll(async () => {
  cli.stop();
  antigravity.stop();
  await provider.stop();
});

const token = provider.issue().accessToken;
const contents = [{ role: 'user', parts: [{ text: 'Hi' }] }];
const work = { requestType: 'agent', requestId: 'agent-1' };

async function ask(it: typeof cli, method: string, body: Json, headers: Record<string, string> = {}) {
  const answer = await fetch(`${it.url}/v1internal:${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify(body),
  });
  const { error } = (await answer.json()) as { error?: { message: string } };
  return [answer.status, error?.message];
}

const chat = (body: Json, it = cli, headers = {}) => ask(it, 'generateContent', body, headers);
const whole: Json = { model: 'gemini-3-sim', project: 'managed-project', request: { contents } };

test('a whole request is served', async () => {
  expect(await chat(whole)).toEqual([200, undefined]);
  const request = { contents, sessionId: '-1' };
  expect(await chat({ ...whole, ...work, request }, antigravity)).toEqual([200, undefined]);
});

test.each([
  ['without a project', { ...whole, project: undefined }, 403],
  ['with the project of somebody else', { ...whole, project: 'other' }, 403],
  ['without its wrapping', { contents }, 400],
  ['with a field that the wrapping has not', { ...whole, requestType: 'agent' }, 400],
  [
    'with a field that only the Gemini API has',
    { ...whole, request: { contents, serviceTier: 'flex' } },
    400,
  ],
  ['without contents', { ...whole, request: {} }, 400],
])('one %s is refused', async (_, body, status) => {
  expect((await chat(body))[0]).toBe(status);
});

test.each([
  ['without its kind', { ...whole, request: { contents, sessionId: '-1' } }],
  ['without a session', { ...whole, ...work }],
  [
    'with a limit',
    { ...whole, ...work, request: { contents, sessionId: '-1', generationConfig: { maxOutputTokens: 1 } } },
  ],
])('Antigravity refuses one %s', async (_, body) => {
  expect((await chat(body, antigravity))[0]).toBe(400);
});

test('a count with a project or a model of its own is refused', async () => {
  const request = { model: 'models/m', contents };
  expect(await ask(cli, 'countTokens', { request })).toEqual([200, undefined]);
  expect((await ask(cli, 'countTokens', { request, project: 'p' }))[0]).toBe(400);
  expect((await ask(cli, 'countTokens', { request: { contents } }))[0]).toBe(400);
});

test('an account is set up only after it was told its plans, and does not chat before', async () => {
  Object.assign(cli.person, { tier: undefined, told: false });
  const metadata = { ideType: 'IDE_UNSPECIFIED' };
  expect((await chat(whole))[0]).toBe(403);
  expect((await ask(cli, 'onboardUser', { tierId: 'free-tier', metadata }))[0]).toBe(400);
  expect((await ask(cli, 'loadCodeAssist', { metadata }))[0]).toBe(200);
  const named = { tierId: 'free-tier', metadata, cloudaicompanionProject: 'mine' };
  expect(await ask(cli, 'onboardUser', named)).toEqual([400, 'Precondition check failed.']);
  expect((await ask(cli, 'onboardUser', { tierId: 'free-tier', metadata }))[0]).toBe(200);
  expect((await chat(whole))[0]).toBe(200);
});

test('a key, an unknown token and one that has ended are no credential', async () => {
  expect((await chat(whole, cli, { 'x-goog-api-key': 'AIza' }))[0]).toBe(400);
  expect((await chat(whole, cli, { authorization: 'Bearer ya29.other' }))[0]).toBe(401);
  now += 3_601_000;
  expect((await chat(whole))[0]).toBe(401);
});
