import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { ResponsesWS } from 'openai/resources/responses/ws';
import { clients } from './gateway.ts';
import { everyUpstream, models, png, sample, schema, thought, type Upstreams } from './upstreams.ts';

/** OpenAI's own WebSocket client of Responses through the binary to every upstream format. */

let it: Upstreams;
let gpt: OpenAI;
beforeAll(async () => {
  it = await everyUpstream();
  ({ gpt } = clients(it.program));
});
afterAll(() => it?.stop());
/** Whatever a test asked for, the provider must never have had a reason to refuse what the gateway made of it. */
afterEach(() => expect(it.settle()).toEqual([]));

type Event = OpenAI.Responses.ResponsesServerEvent;
type Item = OpenAI.Responses.ResponseInputItem;
type Asked = Omit<OpenAI.Responses.ResponsesClientEvent.ResponseCreate, 'type'>;

const tools = ['weather', 'news'].map((name) => ({
  type: 'function' as const,
  name,
  parameters: schema,
  strict: true,
}));
const user = (content: OpenAI.Responses.EasyInputMessage['content']): Item => ({ role: 'user', content });

/** One connection: `turn` sends and gives the events up to the last of its answer. */
function connected() {
  const socket = new ResponsesWS(gpt);
  const events = socket.stream();
  return {
    socket,
    async turn(asked: Asked): Promise<readonly Event[]> {
      socket.send({ type: 'response.create', ...asked });
      const heard: Event[] = [];
      for (;;) {
        const { value, done } = await events.next();
        if (done || value.type === 'close') throw new Error(`closed after ${JSON.stringify(heard.at(-1))}`);
        if (value.type === 'error') throw value.error;
        if (value.type !== 'message') continue;
        heard.push(value.message);
        if (/^response\.(completed|incomplete|failed)$/.test(value.message.type)) return heard;
      }
    },
  };
}

const ends = (events: readonly Event[]): OpenAI.Responses.Response => {
  const last = events.at(-1) as Extract<Event, { type: 'response.completed' }>;
  return last.response;
};
const textOf = ({ output }: OpenAI.Responses.Response): string =>
  output
    .flatMap((item) => (item.type === 'message' ? item.content : []))
    .map((part) => (part.type === 'output_text' ? part.text : ''))
    .join('');
const callsIn = ({ output }: OpenAI.Responses.Response) =>
  output.filter((item) => item.type === 'function_call');

describe.each(models)('responses over a WebSocket, %s', (model) => {
  test('several turns on one connection, word by word, continued by the id of the answer before', async () => {
    const { socket, turn } = connected();
    const first = await turn({ model, store: false, input: [user('count to 30')] });
    const words = first.filter(({ type }) => type === 'response.output_text.delta');
    expect(words.length).toBeGreaterThan(10);
    expect(textOf(ends(first)).split(' ')).toHaveLength(30);
    const numbers = first.map((event) => (event as { sequence_number: number }).sequence_number);
    expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index));
    const second = await turn({
      model,
      store: false,
      previous_response_id: ends(first).id,
      input: [user('say goodbye')],
    });
    expect(textOf(ends(second))).toBe('goodbye');
    expect(it.behind(model).accepted.at(-1)!.body).toContain('count to 30');
    socket.close();
  });

  test('tools in parallel with thinking, the full loop, with only the results sent', async () => {
    const { socket, turn } = connected();
    const asking: Asked = { model, store: false, tools, reasoning: { effort: 'high', summary: 'auto' } };
    const first = ends(await turn({ ...asking, input: [user('use the tools weather and news')] }));
    expect(callsIn(first).map(({ name, arguments: args }) => [name, JSON.parse(args)])).toEqual([
      ['weather', sample],
      ['news', sample],
    ]);
    const thoughts = first.output.flatMap((item) => (item.type === 'reasoning' ? item.summary : []));
    expect(thoughts.map(({ text }) => text).join('')).toBe(thought);
    const results = callsIn(first).map(({ call_id }, index): Item => ({
      type: 'function_call_output',
      call_id,
      output: `result ${index}`,
    }));
    const second = await turn({ ...asking, previous_response_id: first.id, input: results });
    expect(textOf(ends(second))).toBe('The tool said: result 0, result 1');
    socket.close();
  });

  test('a picture and structured output', async () => {
    const { socket, turn } = connected();
    const image_url = `data:image/png;base64,${png}`;
    const picture: Item = user([{ type: 'input_image', image_url, detail: 'auto' }]);
    expect(textOf(ends(await turn({ model, store: false, input: [picture] })))).toBe(
      'I see an image/png of 70 bytes.',
    );
    const text = { format: { type: 'json_schema' as const, name: 'trip', schema, strict: true } };
    const formed = await turn({ model, store: false, text, input: [user('Where to?')] });
    expect(JSON.parse(textOf(ends(formed)))).toEqual(sample);
    socket.close();
  });

  test('a failure is told, and the connection goes on', async () => {
    const { socket, turn } = connected();
    it.behind(model).always = { kind: 'status', status: 400 };
    const refused = await turn({ model, store: false, input: [user('Hi')] }).then(
      ends,
      (error: unknown) => error,
    );
    expect(JSON.stringify(refused) + String(refused)).toMatch(/failed|[Ee]rror/);
    it.behind(model).always = undefined;
    expect(textOf(ends(await turn({ model, store: false, input: [user('say it')] })))).toBe('it');
    socket.close();
  });

  test('leaving ends the call to the provider', async () => {
    const { socket, turn } = connected();
    const upstream = it.behind(model);
    upstream.next.push({ kind: 'hang', when: 'mid-body', after: 2 });
    const turned = turn({ model, store: false, input: [user('count to 30')] }).catch(() => undefined);
    socket.on('response.output_text.delta', () => socket.close());
    await turned;
    const [asked] = upstream.accepted;
    await asked!.left;
    expect(asked!.abandoned).toBe(true);
  });
});

test('an unknown previous answer is told as OpenAI tells it, and a wrong key ends the upgrade', async () => {
  const { socket, turn } = connected();
  const asked = { model: 'gpt-sim', store: false, previous_response_id: 'resp_unknown', input: [user('Hi')] };
  const thrown = await turn(asked).catch((error: unknown) => error);
  expect(JSON.stringify((thrown as { error?: unknown }).error)).toContain('previous_response_not_found');
  socket.close();
  const stranger = new ResponsesWS(new OpenAI({ apiKey: 'wrong', baseURL: gpt.baseURL }));
  const refused = Promise.withResolvers<string>();
  stranger.on('error', (error) => refused.resolve(error.message));
  expect(await refused.promise).toContain('401');
});
