import type { Login } from '../../accounts/login.ts';
import type { GatewayError } from '../../core/error.ts';
import { type Json, parseObject } from '../../core/json.ts';
import openaiChat from '../../protocols/openai-chat/index.ts';
import openaiResponses from '../../protocols/openai-responses/index.ts';
import anthropicMessages from '../../protocols/anthropic-messages/index.ts';
import type { Protocol } from '../../protocols/protocol.ts';
import { refaulted } from '../../protocols/remedies.ts';
import type { Call, Connection, Outgoing } from '../channel.ts';
import { jsonHeaders } from '../entry.ts';
import { fileHeaders, loginAccount } from '../login-account.ts';
import type { LoginTools } from '../login.ts';
import { fitChat, fitResponses, hasPicture, isAgents } from './body.ts';
import { hyphenated, knownModels, paths, protocolFor } from './models.ts';
import { listedEndpoints } from './service.ts';
import { apiToken } from './session.ts';
import { editorHeaders, id } from './wire.ts';

/** The way out through one account of GitHub Copilot. */
export function open(login: Login, tools: LoginTools): Connection {
  const { naming } = tools;
  const discovered = naming.discovered?.length ? naming.discovered : knownModels;
  const extra = fileHeaders(login, tools);
  const listed = listedEndpoints(login);
  const speaks = (model: string) => protocolFor(model, listed?.get(model));
  return {
    id: `${id}:${login.id}`,
    provider: id,
    accounts: [loginAccount(login, id, tools)],
    models: { ...naming, discovered, aliases: naming.aliases ?? hyphenated(discovered) },
    speaks,
    prepare(call) {
      const outgoing = prepare(login, call, speaks(call.model));
      extra.apply(outgoing.headers, call.clientHeaders);
      return outgoing;
    },
    judge,
  };
}

function prepare(login: Login, call: Call, protocol: Protocol): Outgoing {
  const { token, base } = apiToken(login.session);
  const text = String(call.body);
  const body = parseObject(text);
  const fit = fitted(body, protocol, call);
  const headers = jsonHeaders(call);
  for (const [name, value] of Object.entries(editorHeaders)) headers.set(name, value);
  headers.set('authorization', `Bearer ${token}`);
  headers.set('openai-intent', 'conversation-panel');
  headers.set('x-request-id', crypto.randomUUID());
  headers.set('x-initiator', isAgents(body) ? 'agent' : 'user');
  if (hasPicture(body)) headers.set('copilot-vision-request', 'true');
  if (protocol === anthropicMessages && !headers.has('anthropic-version'))
    headers.set('anthropic-version', '2023-06-01');
  return {
    method: 'POST',
    url: `${base}${paths[protocol.id]}`,
    headers,
    body: fit === body ? text : JSON.stringify(fit),
    proxy: call.account.proxy,
  };
}

function fitted(body: Json, protocol: Protocol, call: Call): Json {
  if (protocol === openaiChat) return fitChat(body, call);
  return protocol === openaiResponses ? fitResponses(body, call) : body;
}

/** The service refuses models that a plan or an organisation leaves out with a 400 that names no field. */
function judge(error: GatewayError): GatewayError {
  const code = error.upstream?.code;
  if (code === 'model_not_supported')
    return refaulted(error, { kind: 'upstream-forbidden', status: 403, reason: 'not_entitled' });
  if (error.upstream?.status === 402) return refaulted(error, { kind: 'quota-exhausted' });
  return error;
}
