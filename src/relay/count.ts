import { asGatewayError, GatewayError } from '../core/error.ts';
import type { ChatRequest, Part } from '../core/request.ts';
import { exchangeWith } from './attempt.ts';
import { directBody } from './direct.ts';
import type { Errand } from './errand.ts';
import type { Exchange } from './exchange.ts';
import { type Attempt, narrowed } from './routing/plan.ts';
import { policyOf } from './routing/policy.ts';
import { accepts, refusal } from './refusal.ts';
import { refusesThoughts } from './thoughts/refused.ts';
import { signedIn } from './routing/renewal.ts';

/** What an image counts for: vendors count by its size in pixels, which nobody can know without decoding it. */
const tokensPerImage = 1_500;

/**
 * Answers a count-tokens request: by an upstream that counts in the client's own protocol, else by our own tokenizer,
 * and then the answer is marked as an estimate.
 */
export async function countTokens(errand: Errand): Promise<Response> {
  const { exchange, client, plan, tools, config } = errand;
  const counting = narrowed(plan.options, `count ${exchange.protocol.id}`, (attempt) =>
    canCount(attempt, exchange),
  );
  const walk = tools.pool.walk(counting, { policy: policyOf(config), tokens: 0 });
  for (let attempt = walk.next(); attempt; attempt = walk.next()) {
    const counted = await countUpstream(errand, attempt).finally(() => walk.passed());
    if (counted instanceof Response) return counted;
    // Whoever waits for a place that does not answer, key by key, would rather have an estimate.
    if (counted.scope === 'transport') break;
  }
  if (!client.encodeCount)
    throw new GatewayError({ kind: 'internal' }, `${exchange.protocol.id} has no token counts.`);
  const tokens = await estimateTokens(errand.chat());
  return Response.json(client.encodeCount(tokens), { headers: { 'x-gateway-estimated': 'tokens' } });
}

const canCount = ({ protocol, connection, model }: Attempt, exchange: Exchange): boolean =>
  protocol === exchange.protocol && connection.can?.('count-tokens', model) === true;

/** The upstream's own count, or why it could not be had: an estimate is better than no answer. */
async function countUpstream(errand: Errand, attempt: Attempt): Promise<Response | GatewayError> {
  try {
    return await signedIn(errand, attempt, askCount);
  } catch (thrown) {
    // The chat itself is asked again without the thoughts that another vendor left in the history.
    const final = thrown instanceof GatewayError && thrown.scope === 'request' && !refusesThoughts(thrown);
    if (final) throw thrown;
    return asGatewayError(thrown);
  }
}

async function askCount(errand: Errand, attempt: Attempt): Promise<Response> {
  const response = await exchangeWith(errand, attempt, directBody(errand, attempt), true);
  if (!accepts(errand, attempt, response)) throw await refusal(errand, attempt, response);
  return new Response(await response.text(), { headers: { 'content-type': 'application/json' } });
}

/** Tokens of a whole request by the o200k tokenizer: exact for none of the vendors but OpenAI, near for all. */
export async function estimateTokens(request: ChatRequest): Promise<number> {
  const { countTokens: count } = await import('gpt-tokenizer/encoding/o200k_base');
  let tokens = 0;
  const say = (text: string) => (tokens += count(text, { allowedSpecial: 'all' }));
  const read = (part: Part): void => {
    if (part.kind === 'media')
      tokens += part.source.kind === 'text' ? count(part.source.text) : tokensPerImage;
    if (part.kind === 'tool-result') part.parts.forEach(read);
    if (part.kind === 'tool-call') say(`${part.name} ${part.args}`);
    if ('text' in part) say(part.text);
  };
  request.system.forEach(read);
  for (const message of request.messages) {
    tokens += tokensPerMessage;
    message.parts.forEach(read);
  }
  for (const tool of request.tools) {
    const schema = tool.kind === 'function' ? JSON.stringify(tool.schema) : '';
    say(`${tool.name} ${tool.description ?? ''} ${schema}`);
  }
  return tokens;
}

/** What the frame around each message costs (role and separators). */
const tokensPerMessage = 4;
