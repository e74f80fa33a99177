import { newId } from '../../core/id.ts';
import { type Json, readObjects, readString } from '../../core/json.ts';
import { refuse } from './chat.ts';
import { jsonAnswer, tokensOf } from './reading.ts';

/**
 * The demo's `/v1/responses/compact`: what the user said stays, and everything else becomes one sealed item. Nobody has
 * the key, so the demo cannot read it back either.
 */
export function answerCompaction(body: Json): Response {
  const input = itemsOf(body.input);
  if (input.length === 0) return refuse(400, "Missing required parameter: 'input'.", 'input');
  const said = input.filter(isUsers);
  const rest = input.filter((item) => !isUsers(item));
  const key = new Bun.CryptoHasher('sha256', newId('')).update(JSON.stringify(rest)).digest('base64url');
  const sealed = { type: 'compaction', id: newId('cmp_'), encrypted_content: `demo-${key}` };
  const [input_tokens, output_tokens] = [tokensOf(input), tokensOf(said) + 1];
  return jsonAnswer(200, {
    id: newId('resp_'),
    object: 'response.compaction',
    created_at: Math.floor(Date.now() / 1000),
    output: [...said.map(messageOf), sealed],
    usage: {
      input_tokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input_tokens + output_tokens,
    },
  });
}

const itemsOf = (input: unknown): readonly Json[] =>
  typeof input === 'string' && input !== '' ? [{ role: 'user', content: input }] : readObjects(input);

const isUsers = ({ type, role }: Json): boolean =>
  (type === undefined || type === 'message') && role === 'user';

function messageOf({ content }: Json): Json {
  const text = readString(content);
  const parts = text === undefined ? content : [{ type: 'input_text', text }];
  return { type: 'message', id: newId('msg_'), status: 'completed', role: 'user', content: parts };
}
