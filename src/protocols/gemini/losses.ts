import type { Loss } from '../protocol.ts';

/** What GenerateContent cannot say. */
export const losses: readonly Loss[] = [
  { what: 'parallel_tool_calls: false', why: 'GenerateContent cannot forbid parallel calls' },
  {
    what: 'cache_control, prompt_cache_key',
    why: 'caching is implicit, or by a cached content that only Google knows',
  },
  { what: 'user', why: 'GenerateContent has no field for the end user' },
  { what: 'tools.strict', why: 'VALIDATED mode is for a whole request, not for one tool' },
  { what: 'refusal', why: 'a refusal is text here, and SAFETY is the reason of the finish' },
  { what: 'stop sequence that ended the text', why: 'STOP does not name it' },
  { what: 'pause', why: 'an answer that goes on in another turn ends in STOP' },
  { what: 'names of files', why: 'only Vertex has a field for them' },
  {
    what: 'schema keywords',
    why: 'what the dialect has no keyword for (patterns of keys, exclusive bounds, conditions) stands in the description',
  },
  {
    what: 'law:request-round-trip:thought-in-pieces',
    why: 'thoughts of another vendor are joined for that vendor, and Gemini is not given them',
  },
];
