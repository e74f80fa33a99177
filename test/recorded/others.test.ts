import { EventStreamCodec } from '@smithy/eventstream-codec';
import { describe, expect, test } from 'bun:test';
import { fold } from '../../src/core/event.ts';
import { parseObject, readObjects, readString } from '../../src/core/json.ts';
import anthropicMessages from '../../src/protocols/anthropic-messages/index.ts';
import gemini from '../../src/protocols/gemini/index.ts';
import openaiResponses from '../../src/protocols/openai-responses/index.ts';
import { estimateTokens } from '../../src/relay/count.ts';
import { decodeBytes, decodeRequest } from '../support/wires.ts';
import { expected } from './expected.ts';
import { absent, exchanges, type Recorded } from './exchanges.ts';
import { hear } from './heard.ts';
import { decoded } from './reading.ts';

/** Recordings that are no chat of the four protocols. */

const recorded = test.skipIf(absent !== '');
const textOf = ({ bytes }: Recorded): string => new TextDecoder().decode(bytes);

describe('recorded counts', () => {
  const counts = exchanges('count_tokens').filter(({ status }) => status === 200);

  recorded(`our estimate of each request without tools is near its vendor’s count${absent}`, async () => {
    expect(counts.length).toBe(9);
    for (const it of counts) {
      const protocol = [anthropicMessages, openaiResponses, gemini].find(({ issuer }) =>
        hosts[issuer]!.test(it.url),
      )!;
      const { request } = decoded(protocol, it.url, it.asked!);
      const answer = parseObject(textOf(it));
      const counted = Number(answer['input_tokens'] ?? answer['totalTokens']);
      const estimated = await estimateTokens(request);
      expect(estimated).toBeGreaterThan(0);
      // What a vendor's frame of a tool costs is the vendor's secret.
      if (request.tools.length === 0) expect(Math.abs(estimated - counted)).toBeLessThan(5 + counted / 4);
    }
  });
});

const hosts: Readonly<Record<string, RegExp>> = {
  anthropic: /anthropic/,
  openai: /openai/,
  gemini: /googleapis/,
};

describe('recorded compactions', () => {
  recorded(`a conversation goes on from each, with the compaction given back as it came${absent}`, () => {
    const compactions = exchanges('openai-responses-compact');
    expect(compactions.length).toBe(2);
    for (const it of compactions) {
      const output = readObjects(parseObject(textOf(it))['output']);
      const request = decodeRequest(openaiResponses, {
        model: 'm',
        input: [...output, { role: 'user', content: 'Go on.' }],
      });
      const body = openaiResponses.upstream!.encodeRequest(request, { model: 'm', drop: () => {} });
      const [kept, ...more] = readObjects(body['input']).filter(({ type }) => type === 'compaction');
      expect(more).toEqual([]);
      expect(kept).toEqual(output.find(({ type }) => type === 'compaction')!);
    }
  });
});

describe('recorded streams of Bedrock', () => {
  recorded(`the events of Claude in its frames are heard as they were said${absent}`, async () => {
    const [stream, ...more] = exchanges('bedrock').filter(
      ({ url, stream }) => stream && /anthropic.*invoke-with-response-stream/.test(url),
    );
    expect(more).toEqual([]);
    const bytes = new TextEncoder().encode(messagesOf(stream!.bytes));
    const reply = fold(decodeBytes(anthropicMessages, bytes));
    expect(reply.parts.length).toBeGreaterThan(0);
    expect(await hear(anthropicMessages.id, { stream: true, bytes })).toEqual(
      expected(anthropicMessages.id, reply),
    );
  });
});

/** The Messages events in the frames of an AWS event stream, as server-sent events. */
function messagesOf(bytes: Uint8Array): string {
  const codec = new EventStreamCodec(
    (text) => new TextDecoder().decode(text as Uint8Array),
    (text) => new TextEncoder().encode(text),
  );
  let events = '';
  for (let at = 0; at < bytes.length;) {
    const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
    const { body } = codec.decode(bytes.subarray(at, at + length));
    const chunk = readString(parseObject(new TextDecoder().decode(body))['bytes']) ?? '';
    const data = Buffer.from(chunk, 'base64').toString();
    events += `event: ${String(parseObject(data)['type'])}\ndata: ${data}\n\n`;
    at += length;
  }
  return events;
}
