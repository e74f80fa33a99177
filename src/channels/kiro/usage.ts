import type { Usage } from '../../core/event.ts';
import { type Json, readNumber, readObject } from '../../core/json.ts';
import { contextWindow, guessTokens } from './wire.ts';

/** Gathers what a stream tells of its cost, in whichever events it does. */
export class Counts {
  private input: number | undefined;
  private output: number | undefined;
  private cacheRead = 0;
  private cacheWrite = 0;
  private share: number | undefined;
  private promptGuess = 0;
  private spoken = 0;
  private thought = 0;

  /** A guess at the prompt, made when it was sent. */
  guess(tokens: number): void {
    this.promptGuess = tokens;
  }

  /** Text that the model said, for when nobody counts it. */
  heard(text: string, thought = false): void {
    this.spoken += text.length;
    if (thought) this.thought += text.length;
  }

  /** Any event that may hold counts: `tokenUsage`, counts of its own, or the share of the context in use. */
  read(event: Json): void {
    this.share = readNumber(event.contextUsagePercentage) ?? this.share;
    const counts = readObject(event.tokenUsage) ?? event;
    this.share = readNumber(counts.contextUsagePercentage) ?? this.share;
    this.cacheRead = readNumber(counts.cacheReadInputTokens) ?? this.cacheRead;
    this.cacheWrite = readNumber(counts.cacheWriteInputTokens) ?? this.cacheWrite;
    this.output = readNumber(counts.outputTokens) ?? this.output;
    const fresh = readNumber(counts.uncachedInputTokens);
    const total = readNumber(counts.totalTokens);
    if (fresh !== undefined) this.input = fresh + this.cacheRead + this.cacheWrite;
    else if (total !== undefined && this.output !== undefined) this.input = total - this.output;
    else this.input = readNumber(counts.inputTokens) ?? this.input;
  }

  /** The whole cost; what was not told is guessed, and then all of it is marked as an estimate. */
  usage(): Usage {
    const { input, output, share } = this;
    const guessedInput = share === undefined ? this.promptGuess : Math.round((share * contextWindow) / 100);
    const told = input !== undefined && output !== undefined;
    return {
      input: input ?? guessedInput,
      output: output ?? guessTokens(this.spoken),
      cacheRead: this.cacheRead,
      cacheWrite: this.cacheWrite,
      reasoning: output === undefined ? guessTokens(this.thought) : 0,
      ...(told ? {} : { estimated: true }),
    };
  }
}
