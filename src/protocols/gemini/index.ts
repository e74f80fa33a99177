import type { Protocol } from '../protocol.ts';
import { decodeRequest } from './decode-request.ts';
import { decodeStream } from './decode-stream.ts';
import { encodeRequest } from './encode-request.ts';
import { encodeStream } from './encode-stream.ts';
import { decodeError, encodeErrorBody } from './errors.ts';
import { losses } from './losses.ts';
import { jsonArray } from './json-array.ts';
import { decodeReply, encodeReply, glance } from './reply.ts';
import { routes } from './routes.ts';
import { id, issuer } from './wire.ts';

/** Google's Gemini API: GenerateContent, streamed and whole. */
const gemini: Protocol = {
  id,
  issuer,
  client: {
    routes,
    decodeRequest,
    encodeReply,
    encodeStream,
    encodeError: encodeErrorBody,
    encodeCount: (tokens) => ({ totalTokens: tokens }),
    heartbeat: ': keep-alive\n\n',
    closing: '',
    jsonArray,
    headers: ['x-goog-user-project', 'x-goog-request-params'],
  },
  upstream: {
    // A name starts with a letter or an underscore.
    tools: { forbidden: /[^A-Za-z0-9_.:-]|^[^A-Za-z_]/, longest: 64 },
    encodeRequest,
    decodeReply,
    glance,
    decodeStream,
    decodeError,
  },
  losses,
};

/** A tool's JSON Schema in Gemini's dialect, for places that take nothing else. */
export { parametersSchema } from './schema-dialect.ts';

export default gemini;
