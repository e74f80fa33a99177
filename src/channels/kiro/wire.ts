import { type Json, tryParseObject } from '../../core/json.ts';

/** This private protocol's id, and whose seals its wire carries bare. */
export const id = 'kiro';

/** Frames that `frames.ts` adds to what the service says: a guess at the prompt's tokens, damage, and the end of the body. */
export const promptFrame = 'gateway-prompt';
export const damageFrame = 'gateway-damage';
export const endFrame = 'gateway-end';

/** Frames for AWS's two sorts of failure, which carry their name in a header of the message instead of an event's. */
export const exceptionFrame = 'exception';

/** What every model behind this service can hold, in tokens; the service tells its use as a share of it. */
export const contextWindow = 200_000;

/** What a text costs where nobody counted: about four characters to a token. */
export const guessTokens = (characters: number): number => Math.ceil(characters / 4);

/** The arguments of a call as the object that the wire wants; what is none is kept word for word. */
export function inputOf(args: string): Json {
  if (args.trim() === '') return {};
  return tryParseObject(args) ?? { _raw_arguments: args };
}
