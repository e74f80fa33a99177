import type { Json } from '../../src/core/json.ts';
import type { ChatRequest } from '../../src/core/request.ts';
import type { Protocol } from '../../src/protocols/protocol.ts';

export interface Decoded {
  readonly request: ChatRequest;
  readonly model: string;
}

/** The request as the protocol's chat route reads it from this address and body. */
export function decoded({ client }: Protocol, url: string, body: Json): Decoded {
  const route = client!.routes.find(({ kind }) => kind === 'chat')!;
  const hint = route.hint(paramsOf(url), body, queryOf(url));
  return { request: client!.decodeRequest(body, hint), model: hint.model };
}

const address = (url: string): URL => new URL(url, 'http://localhost');
export const pathOf = (url: string): string => address(url).pathname;
export const queryOf = (url: string): URLSearchParams => address(url).searchParams;
export const paramsOf = (url: string) => ({ '*': pathOf(url).split('/models/').at(-1)! });
