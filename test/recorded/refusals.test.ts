import Anthropic, { APIError as AnthropicError } from '@anthropic-ai/sdk';
import { ApiError, GoogleGenAI } from '@google/genai';
import { describe, expect, test } from 'bun:test';
import OpenAI, { APIError as OpenAIError } from 'openai';
import type { Scope } from '../../src/core/error.ts';
import { protocols } from '../../src/protocols/index.ts';
import type { Protocol } from '../../src/protocols/protocol.ts';
import { absent, exchanges, folders, type Recorded } from './exchanges.ts';

/** Every recorded refusal is read, blames whom it should, and is raised by the library of each client. */

for (const upstream of protocols) {
  const refused = exchanges(folders[upstream.id]!).filter(({ status }) => status !== 200);

  describe(`recorded refusals of ${upstream.id}`, () => {
    test.skipIf(absent !== '')(`each blames the credential, the model or the request${absent}`, () => {
      expect(refused.length).toBeGreaterThan(0);
      for (const it of refused)
        expect({ name: it.name, scope: errorOf(upstream, it).scope }).toEqual({
          name: it.name,
          scope: scopeOf(it),
        });
    });

    for (const client of protocols)
      test.skipIf(absent !== '')(
        `the library of ${client.id} raises each with its words${absent}`,
        async () => {
          for (const it of refused) {
            const error = errorOf(upstream, it);
            const body = JSON.stringify(client.client!.encodeError(error, 'request-id'));
            const raised = await raise(client.id, new Response(body, { status: it.status, headers: json }));
            expect({ name: it.name, status: raised.status }).toEqual({ name: it.name, status: it.status });
            expect(raised.message).toContain(error.message.split('\n')[0]!.slice(0, 60).replaceAll('"', ''));
          }
        },
      );
  });
}

const json = { 'content-type': 'application/json' };

const errorOf = ({ upstream }: Protocol, { status, headers, bytes }: Recorded) =>
  upstream!.decodeError(status, headers, new TextDecoder().decode(bytes));

/** A wrong key and an empty purse are the credential's, an unknown name the model's, the rest the request's. */
function scopeOf({ status, bytes }: Recorded): Scope {
  const text = new TextDecoder().decode(bytes);
  if (status === 401 || status === 403 || status === 429 || /API key not valid|RESOURCE_EXHAUSTED/.test(text))
    return 'credential';
  return status === 404 || /model_not_found|not a valid model/.test(text) ? 'model' : 'request';
}

/** What the official library of a protocol throws at this answer. */
async function raise(protocol: string, answer: Response): Promise<{ status: unknown; message: string }> {
  const fetch = async () => answer;
  const options = { apiKey: 'k', baseURL: 'http://localhost/v1', fetch, maxRetries: 0 };
  const asks: Readonly<Record<string, () => Promise<unknown>>> = {
    'openai-chat': () =>
      new OpenAI(options).chat.completions.create({
        model: 'm',
        messages: [{ role: 'user', content: 'Hi' }],
      }),
    'openai-responses': () => new OpenAI(options).responses.create({ model: 'm', input: 'Hi' }),
    'anthropic-messages': () =>
      new Anthropic(options).messages.create({
        model: 'm',
        max_tokens: 9,
        messages: [{ role: 'user', content: 'Hi' }],
      }),
    gemini: () =>
      new GoogleGenAI({ apiKey: 'k', httpOptions: { fetch } }).models.generateContent({
        model: 'm',
        contents: 'Hi',
      }),
  };
  const thrown = await asks[protocol]!().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof OpenAIError || thrown instanceof AnthropicError || thrown instanceof ApiError)
    return { status: thrown.status, message: thrown.message };
  throw new Error(`The library of ${protocol} did not raise an API error but ${String(thrown)}.`);
}
