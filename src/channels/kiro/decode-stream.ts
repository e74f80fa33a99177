import type { GatewayError } from '../../core/error.ts';
import type { ChatEvent, FinishReason } from '../../core/event.ts';
import {
  type Json,
  readNumber,
  readObject,
  readObjects,
  readString,
  tryParseObject,
} from '../../core/json.ts';
import { type Machine, machine, type Tell, type Teller } from '../../core/machine.ts';
import { Blocks } from '../../protocols/blocks.ts';
import type { Frame } from '../../wire/sse.ts';
import { badData, cut, decodeException } from './errors.ts';
import { type Spoken, thinkingTags } from './thinking-tags.ts';
import { Counts } from './usage.ts';
import { damageFrame, endFrame, exceptionFrame, id, promptFrame } from './wire.ts';

const stopReasons: Readonly<Record<string, FinishReason>> = {
  end_turn: 'end',
  tool_use: 'tool',
  max_tokens: 'length',
  stop_sequence: 'stop',
  content_filtered: 'filter',
};

/**
 * The service's events in the hall's words. Counts and the reason of the stop come in any order and perhaps not at all, so
 * the finish waits until the whole body was received. Events that are new pass silently.
 */
export const decodeStream = (): Machine<Frame, ChatEvent> => machine(tellEvents);

function tellEvents(tell: Tell<ChatEvent>): Teller<Frame> {
  const blocks = new Blocks(tell);
  const counts = new Counts();
  const tags = thinkingTags();
  /** The call whose input is still coming in. */
  let call: { readonly key: string; input: string } | undefined;
  let malformed = false;
  let started = false;
  let over = false;
  let stopReason: string | undefined;

  function fail(error: GatewayError): void {
    over = true;
    tell({ type: 'error', error });
  }

  function say(pieces: readonly Spoken[]): void {
    for (const { kind, text } of pieces) {
      counts.heard(text, kind === 'reasoning');
      blocks.say(kind, text);
    }
  }

  function onText(event: Json): void {
    endCall();
    const content = readString(event.content) ?? '';
    if (content !== '') say(tags.push(content));
    for (const whole of readObjects(event.toolUses)) onToolUse({ ...whole, stop: true });
  }

  function onReasoning(event: Json): void {
    endCall();
    const text = readString(event.text) ?? '';
    if (text !== '') say([{ kind: 'reasoning', text }]);
    const signature = readString(event.signature);
    const redacted = readString(event.redactedContent);
    const value = signature ?? redacted;
    if (!value) return;
    // A seal may come without a word of the thought it seals.
    if (text === '') blocks.say('reasoning', '');
    blocks.seal({ issuer: id, value, ...(signature === undefined ? { redacted: true } : {}) });
  }

  /** A call comes in fragments; the name of another one, or any other word of the model, ends it. */
  function onToolUse(event: Json): void {
    const key = readString(event.toolUseId) ?? call?.key ?? '';
    if (call?.key !== key) {
      endCall();
      say(tags.end());
      call = { key, input: '' };
      blocks.call(key, { callId: key, name: readString(event.name) ?? '' });
    }
    const whole = readObject(event.input);
    const piece = whole ? JSON.stringify(whole) : (readString(event.input) ?? '');
    call.input += piece;
    counts.heard(piece);
    blocks.args(key, piece);
    if (event.stop === true) endCall();
  }

  function endCall(): void {
    if (!call) return;
    const { key, input } = call;
    call = undefined;
    if (input.trim() === '') blocks.args(key, '{}');
    else if (!tryParseObject(input)) malformed = true;
    blocks.end(key);
  }

  function finish(): void {
    // The service marks the last fragment of every call; without the mark the rest never came.
    if (call) return fail(cut());
    say(tags.end());
    blocks.close();
    over = true;
    const told = stopReasons[stopReason ?? ''] ?? 'end';
    const usage = counts.usage();
    if (usage.output === 0 && !blocks.called && stopReason === undefined)
      return fail(badData('it says nothing'));
    tell({ type: 'finish', reason: reasonOf(told), usage });
  }

  function reasonOf(told: FinishReason): FinishReason {
    if (told === 'length' || told === 'filter') return told;
    if (malformed) return 'malformed';
    if (blocks.called) return 'tool';
    return told === 'tool' ? 'end' : told;
  }

  function onEvent(name: string, event: Json): void {
    switch (name) {
      case 'assistantResponseEvent':
        return onText(event);
      case 'reasoningContentEvent':
        return onReasoning(event);
      case 'toolUseEvent':
        return onToolUse(event);
      case 'messageStopEvent':
        stopReason = readString(event.stopReason) ?? stopReason;
        return;
      case 'messageMetadataEvent':
      case 'metadataEvent':
      case 'usageEvent':
      case 'contextUsageEvent':
        return counts.read(event);
    }
  }

  return {
    push({ event: name = '', data }) {
      if (over) return;
      const said = tryParseObject(data);
      if (!said) return fail(badData(`its event ${name} holds no JSON object`));
      if (name === promptFrame) return counts.guess(readNumber(said.tokens) ?? 0);
      if (name === damageFrame) return fail(badData(String(said.what)));
      // The payload may stand under its own name.
      const event = readObject(said[name]) ?? said;
      if (failures.has(name) || said._type !== undefined) return fail(decodeException(event));
      if (!started) {
        started = true;
        tell({ type: 'start', id: '', model: '' });
      }
      if (name === endFrame) finish();
      else onEvent(name, event);
    },
    end() {
      if (!over) fail(cut());
    },
  };
}

const failures: ReadonlySet<string> = new Set([exceptionFrame, 'error', 'internalServerException']);
