import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { Json } from '../../src/core/json.ts';
import { protocols } from '../../src/protocols/index.ts';
import type { Protocol, Route } from '../../src/protocols/protocol.ts';
import { schemaFault } from '../support/schemas.ts';
import { absent, exchanges, folders, type Recorded, shapes } from './exchanges.ts';
import { decoded, paramsOf, pathOf, queryOf } from './reading.ts';
import { spelled } from './spellings.ts';

/** Every recorded request is read, and written to its own protocol as it was. */

// Compiling the vendors' schemas takes its time.
setDefaultTimeout(60_000);

for (const protocol of protocols)
  describe(`recorded requests of ${protocol.id}`, () => {
    const asked = exchanges(folders[protocol.id]!).filter((it) => it.asked && it.status === 200);

    test.skipIf(absent !== '')(`each is written as it was read${absent}`, () => {
      expect(asked.length).toBeGreaterThan(50);
      const differences = asked.map((it) => [it.name, differenceOf(protocol, it)] as const);
      expect(Object.fromEntries(differences.filter(([, difference]) => difference))).toEqual({});
    });

    test.skipIf(absent !== '')(`each is written to every upstream as its vendor takes it${absent}`, () => {
      for (const it of asked) expectWritable(protocol, it.name, it.url, it.asked!);
    });
  });

describe('requests as real clients send them', () => {
  const sent = shapes().filter(({ body, url }) => body && !url.includes('/nope'));

  test.skipIf(absent !== '')(
    `each is read, and written to every upstream as its vendor takes it${absent}`,
    () => {
      expect(sent.length).toBeGreaterThan(150);
      for (const { name, url, body } of sent) {
        const { protocol, route } = routeOf(url);
        const { kind = route.kind, model } = route.hint(paramsOf(url), body!, queryOf(url));
        expect(model).not.toBe('');
        if (kind !== 'raw') expectWritable(protocol, name, url, body!);
      }
    },
  );
});

function differenceOf(protocol: Protocol, it: Recorded): unknown {
  const { request, model } = decoded(protocol, it.url, it.asked!);
  const drops: string[] = [];
  const target = { model, dialect: dialectOf(it), drop: (what: string) => drops.push(what) };
  const body = JSON.parse(JSON.stringify(protocol.upstream!.encodeRequest(request, target))) as Json;
  const [wrote, read] = [spelled(protocol.id, body), spelled(protocol.id, it.asked!)];
  return drops.length === 0 && Bun.deepEquals(wrote, read) ? undefined : { drops, ...changes(wrote, read) };
}

/** The route that a client's address finds. */
function routeOf(url: string): { readonly protocol: Protocol; readonly route: Route } {
  const pathname = pathOf(url);
  for (const protocol of protocols)
    for (const route of protocol.client!.routes)
      if (new RegExp(`^${route.path.replace('*', '.+')}$`).test(pathname)) return { protocol, route };
  throw new Error(`No route answers ${pathname}.`);
}

/** Requests that reach an upstream in words which some of its servers take, but its vendor does not: `video_url`. */
const extensions: Readonly<Record<string, string>> = { 'gemini/json/22da2aab67083ca0.json': 'openai-chat' };

/**
 * Every upstream can be asked this, in a body that its vendor's schema accepts. What a client itself says outside of its
 * own vendor's schema goes back to that vendor as it was.
 */
function expectWritable(protocol: Protocol, name: string, url: string, body: Json): void {
  const { request } = decoded(protocol, url, body);
  for (const { id, upstream } of protocols) {
    if (id === protocol.id && schemaFault(id, 'request', body)) continue;
    // A thread's history is on Anthropic's servers, so its client is told to send the whole.
    if (id !== protocol.id && body['thread']) {
      expect(() => upstream!.encodeRequest(request, { model: 'm', drop: () => {} })).toThrow(
        /^thread refers/,
      );
      continue;
    }
    const target = { model: 'upstream-model', drop: () => {} };
    const written: unknown = JSON.parse(JSON.stringify(upstream!.encodeRequest(request, target)));
    const fault = extensions[name] === id ? undefined : schemaFault(id, 'request', written);
    expect(fault && { name, upstream: id, fault }).toBeUndefined();
  }
}

/** Which of the thoughts of earlier turns the recorded server takes. */
const dialectOf = ({ url }: Recorded): string =>
  url.includes('openrouter') ? 'reasoning-details' : 'reasoning-history';

/** Where two values differ, by path. */
function changes(wrote: unknown, read: unknown, path = ''): Readonly<Record<string, unknown>> {
  if (Bun.deepEquals(wrote, read)) return {};
  const [ours, theirs] = [fieldsOf(wrote), fieldsOf(read)];
  if (!ours || !theirs) return { [path]: { wrote, read } };
  const keys = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])];
  return Object.assign({}, ...keys.map((key) => changes(ours[key], theirs[key], `${path}.${key}`))) as Json;
}

const fieldsOf = (value: unknown): Json | undefined =>
  typeof value === 'object' && value !== null ? (value as Json) : undefined;
