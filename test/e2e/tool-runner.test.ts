import type Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { clients } from './gateway.ts';
import { everyUpstream, models, sample, schema, type Upstreams } from './upstreams.ts';

/** What Anthropic's SDK does by itself, through the binary to every upstream format: its tool loop, and counting. */

let it: Upstreams;
let claude: Anthropic;
beforeAll(async () => {
  it = await everyUpstream();
  ({ claude } = clients(it.program));
});
afterAll(() => it?.stop());
/** Whatever a test asked for, the provider must never have had a reason to refuse what the gateway made of it. */
afterEach(() => expect(it.settle()).toEqual([]));

const messages = [{ role: 'user' as const, content: 'use the tools weather and news' }];
const max_tokens = 4_000;

describe.each(models)('messages client, %s', (model) => {
  test.each([false, true])('the tool runner comes to its end, stream %p', async (stream) => {
    const ran: unknown[] = [];
    const tools = ['weather', 'news'].map((name) =>
      betaTool({
        name,
        description: `The ${name} of a city`,
        inputSchema: { ...schema, required: ['city', 'days'] },
        run: (input) => {
          ran.push([name, input]);
          return `${name} is fine`;
        },
      }),
    );
    const final = stream
      ? await claude.beta.messages.toolRunner({ model, max_tokens, messages, tools, stream: true })
      : await claude.beta.messages.toolRunner({ model, max_tokens, messages, tools });
    expect(final.content.at(-1)).toMatchObject({
      type: 'text',
      text: 'The tool said: weather is fine, news is fine',
    });
    expect(ran).toEqual([
      ['weather', sample],
      ['news', sample],
    ]);
  });

  test('counted tokens are marked as an estimate, because none of these hosts is known to count', async () => {
    const asked = { model, messages: [{ role: 'user' as const, content: 'How many tokens is this?' }] };
    const { data, response } = await claude.messages.countTokens(asked).withResponse();
    expect(data.input_tokens).toBeGreaterThan(0);
    expect(response.headers.get('x-gateway-estimated')).toBe('tokens');
  });
});
