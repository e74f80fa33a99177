/** What of an answer differs, and why it may. */
export type Slips = Readonly<Record<string, Readonly<Record<string, string>>>>;

const xai = 'xAI counts reasoning beside completion_tokens, not in it';
const itemsOnly = 'the Codex backend ends in a response without output; what was said came as items';
const azureGrok = 'Azure leaves the cache out of prompt_tokens';
const unschemed = 'the vendor says more than its published schema knows, and its own clients get it as it is';

/** Where the vendor's own library, fed with the recording itself, hears something else than decoding says. */
export const vendorSlips: Slips = {
  'gemini/stream/08eaf4a5cf4bd902.json': { calls: 'the library does not join `partialArgs`' },
  'gemini/stream/4547f604a0ed52f4.json': { calls: 'the library does not join `partialArgs`' },
  'gemini/json/167673711827555c.json': { reason: 'recorded with enum-encoding=int' },
  'gemini/json/1de49dfcdd9ac542.json': { reason: 'recorded with enum-encoding=int' },
  'gemini/stream/2713bd048ba20b1e.json': { reason: 'recorded with enum-encoding=int' },
  'gemini/stream/3b063b556657ac6d.json': { reason: 'recorded with enum-encoding=int' },
  'gemini/json/1704fb18847d2f77.json': { reason: 'UNEXPECTED_TOOL_CALL is one of several malformed calls' },
  'openai-chat/stream/07857b577e82afc3.json': { reason: 'the server says stop after a call' },
  'openai-chat/stream/1eec1b29678deee7.json': { usage: xai },
  'openai-chat/stream/23f83442bf543383.json': { usage: xai },
  'openai-chat/stream/3163e4fb3ef61a2d.json': { usage: xai },
  'openai-chat/stream/3bb83c7817a59d12.json': { usage: xai },
  'openai-chat/json/24dc545bb961191e.json': { usage: xai },
  'openai-chat/json/40b7ade389885011.json': { usage: xai },
  'openai-responses/stream/05b7b631481ef4ba.json': { calls: itemsOnly },
  'openai-responses/stream/1f58ab66b1079877.json': { text: itemsOnly },
  'openai-responses/stream/4b2328548a09fece.json': { text: itemsOnly },
  'openai-responses/json/0ae4cc5dede54820.json': { reason: 'OpenRouter says complete for completed' },
  'openai-responses/json/1e808c0965cd11a8.json': { reason: 'queued in the background: a pause' },
  'openai-chat/stream/2615f8acbdc05489.json': {
    thrown: 'OpenRouter says an error after the limit has ended the answer; the limit stands',
  },
  'openai-chat/json/2a6fda88055727e7.json': { reason: 'the first vision models said it in `finish_details`' },
  'openai-chat/json/31c7808ea2993792.json': { usage: azureGrok },
  'openai-chat/stream/1e32fdb281e31a6b.json': { usage: azureGrok },
  'openai-chat/stream/33b7b49c8fd09797.json': { usage: azureGrok },
  'openai-chat/json/450df45475c36e72.json': {
    calls: 'arguments of null are none, which is {} to every other wire',
  },
  'anthropic/stream/4d88abaded263286.json': { thrown: 'a second answer begins inside the first' },
  'anthropic/stream/4f6cff28253dd2c6.json': { thrown: 'two answers in one file; the first is the answer' },
};

/** Where the direct lane gives the vendor's library something else than the recording. */
export const laneSlips: Slips = {
  'anthropic/stream/4f6cff28253dd2c6.json': {
    thrown: 'the lane ends with the first answer, so nothing is thrown',
  },
};

/** Where a client hears something else, or something its vendor's schema does not know, by the client's protocol. */
export const clientSlips: Readonly<Record<string, Slips>> = {
  'openai-chat': {
    'openai-responses/stream/2bfe2faf1515ca98.json': {
      schema:
        'the schema of chunks forgets free-form tools, which whole answers have; OpenAI streams them so',
    },
  },
  'openai-responses': {
    'openai-responses/stream/3afe61d101322d78.json': { schema: unschemed },
    'openai-responses/json/05993b894dddab5c.json': { schema: unschemed },
  },
  'anthropic-messages': {
    'anthropic/stream/1ce16d5c112624d1.json': { schema: unschemed },
    'anthropic/stream/4d88abaded263286.json': {
      calls: 'the call that the second answer breaks off is half JSON, of which the library makes {}',
    },
  },
};
