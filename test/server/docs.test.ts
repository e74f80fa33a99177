import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { validate } from '@scalar/openapi-parser';
import { parse } from 'yaml';
import { createState } from '../../src/state/state.ts';
import { createTraces, traceLimits } from '../../src/telemetry/traces.ts';
import { Pool } from '../../src/accounts/pool/pool.ts';
import { createAdmin } from '../../src/admin/index.ts';
import anthropic from '../../src/protocols/anthropic-messages/index.ts';
import { describeRoute } from '../../src/server/openapi.ts';
import { temporaryFolder } from '../config/support.ts';
import { everySignIn } from './sign-ins.ts';
import { stand, type Stand } from './support.ts';

const place = temporaryFolder();
const logins = everySignIn(place.path);
const { app, get } = documented();
const methods = new Set(['get', 'put', 'post', 'delete', 'patch']);
let document: any;
let operations: readonly { readonly name: string; readonly operation: any }[];

beforeAll(async () => {
  document = await (await get('/openapi.json')).json();
  operations = Object.entries<any>(document.paths).flatMap(([path, item]) =>
    Object.entries<any>(item)
      .filter(([method]) => methods.has(method))
      .map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
  );
});

afterAll(async () => {
  await logins.close();
  place.remove();
});

/** The app with the real management in it, sign-ins included. */
function documented(): Stand {
  const { steward, telemetry } = stand().hall;
  const traces = createTraces(createState().space('traces', traceLimits));
  return stand({
    admin: (door) =>
      createAdmin({ steward, telemetry, traces, pool: new Pool(), ...logins, version: '0.1.0' }, door),
  });
}

/** The words that a shell hands to curl. */
function wordsOf(sample: string): string[] {
  const script = `curl() { for word; do echo "$word"; done; }; ${sample}`;
  const env = {
    ...process.env,
    KEY: 'k',
    MANAGEMENT_KEY: 'the key',
    ID: 'id',
    STATE: 'state',
    CODE: 'code',
    PROVIDER: 'codex',
  };
  return Bun.spawnSync(['sh', '-c', script], { env }).stdout.toString().trim().split('\n');
}

/** What a curl line asks for. */
function readCurl(sample: string) {
  const [address = '', ...options] = wordsOf(sample);
  const after = (option: string, like = /^/) =>
    options.find((word, index) => options[index - 1] === option && like.test(word));
  return {
    url: new URL(address),
    method: after('-X') ?? 'GET',
    key: after('-H', /^Authorization: /)?.slice('Authorization: '.length),
  };
}

describe('the OpenAPI document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await validate(document);
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
    expect(document.openapi).toBe('3.1.0');
  });

  test('is the same as YAML', async () => {
    const response = await get('/openapi.yaml');
    expect(response.headers.get('content-type')).toBe('application/yaml');
    expect(parse(await response.text())).toEqual(document);
  });

  test('describes every route but aliases, preflights and pages', () => {
    const described = operations.map(({ name }) => name);
    const routes = app.routes
      .filter(({ method, hooks }) => methods.has(method.toLowerCase()) && hooks?.detail?.hide !== true)
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{model}')}`);
    expect(described.toSorted()).toEqual(routes.toSorted());
    expect(described).toContain('GET /v1/models/{model}');
    expect(described).toContain('POST /v1beta/models/{model}');
    expect(described).toContain('GET /v0/management/config.yaml');
    expect(described.filter((name) => name.includes('/v1/v1/'))).toEqual([]);
  });

  test('gives every operation a unique id, a summary, a known tag and an answer', () => {
    const tags = new Set(document.tags.map(({ name }: any) => name));
    for (const { name, operation } of operations) {
      expect([name, operation.summary]).toEqual([name, expect.any(String)]);
      expect([name, operation.tags?.every((tag: string) => tags.has(tag))]).toEqual([name, true]);
      // The answer to an upgrade is a connection; a sign-in that is left out says why.
      const leftOut = operation.summary.startsWith('Says why there is no sign-in');
      const answer = operation.responses['101'] ? '101' : leftOut ? '400' : '200';
      expect([name, Object.keys(operation.responses)]).toEqual([name, expect.arrayContaining([answer])]);
    }
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('gives every client route its schemas, an example, a curl line and the errors of its dialect', () => {
    const routes = operations.filter(({ operation }) => operation.tags[0] === 'anthropic-messages');
    expect(routes).toHaveLength(2);
    for (const { operation } of routes) {
      const request = operation.requestBody.content['application/json'];
      expect(request.schema.properties.model.type).toBe('string');
      expect(request.example.model).toBe('demo');
      expect(operation.responses['200'].content['application/json'].schema.type).toBe('object');
      expect(operation.responses['401'].content['application/json'].example.type).toBe('error');
      expect(Object.keys(operation.responses)).toEqual(
        expect.arrayContaining(['400', '404', '413', '429', '503']),
      );
    }
    expect(document.components.schemas['anthropic-messages.error'].required).toContain('type');
  });

  test('has curl lines that a shell reads as they are meant', () => {
    const { client } = anthropic;
    const [route] = client!.routes;
    const example = { model: 'demo', text: `it's "quoted" $HOME` };
    const described: any = describeRoute(anthropic, client!, {
      ...route!,
      docs: { ...route!.docs, example },
    });
    expect(wordsOf(described['x-codeSamples'][0].source)).toEqual([
      'http://localhost:8317/v1/messages',
      '-H',
      'Authorization: Bearer k',
      '-H',
      'Content-Type: application/json',
      '-d',
      JSON.stringify(example),
    ]);
  });

  test('has a curl line for every management route, which reaches it with the management key', async () => {
    const managed = operations.filter(({ name }) => name.includes('/v0/management'));
    expect(managed.length).toBeGreaterThan(40);
    for (const { name, operation } of managed) {
      const { url, method, key } = readCurl(operation['x-codeSamples'][0].source);
      const [described, path] = name.split(' ') as [string, string];
      expect([name, method, key]).toEqual([name, described, 'Bearer the key']);
      expect(url.pathname).toMatch(
        new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
      );
      for (const { in: place, name: parameter, required } of operation.parameters ?? [])
        if (place === 'query' && required)
          expect([name, url.searchParams.has(parameter)]).toEqual([name, true]);
    }
  });

  test('says which key each route takes', () => {
    const security = (name: string) => operations.find((found) => found.name === name)?.operation.security;
    expect(security('GET /healthz')).toEqual([]);
    expect(security('POST /v1/messages')).toBeUndefined();
    expect(document.security).toEqual([{ bearer: [] }, { 'x-api-key': [] }, { 'x-goog-api-key': [] }]);
    for (const { name, operation } of operations.filter(({ name }) => name.includes('/v0/management')))
      expect([name, operation.security, operation.tags]).toEqual([
        name,
        [{ management: [] }],
        ['management'],
      ]);
  });
});

describe('the API page', () => {
  test('asks no other host for anything', async () => {
    const response = await get('/api/');
    expect(response.headers.get('content-type')).toStartWith('text/html');
    const html = await response.text();
    const asked: string[] = [];
    const note = (element: HTMLRewriterTypes.Element) => {
      for (const name of ['src', 'href', 'data-url']) {
        const value = element.getAttribute(name);
        if (value !== null) asked.push(value);
      }
    };
    new HTMLRewriter().on('script, link, img, iframe, style', { element: note }).transform(html);
    expect(asked.toSorted()).toEqual(['../openapi.json', 'scalar.js']);
    expect(html).not.toMatch(/https?:\/\//);
    expect(html).toContain('"withDefaultFonts":false');
  });

  test('may run our script alone and call our server alone', async () => {
    const policy = (await get('/api/')).headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("connect-src 'self';");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/);
  });

  test('has its script in the program', async () => {
    const response = await get('/api/scalar.js');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toStartWith('text/javascript');
    expect((await response.text()).length).toBeGreaterThan(1_000_000);
  });

  test('is also found without its last slash', async () => {
    const response = await get('/api');
    expect(response.status).toBe(308);
    expect(new URL(response.headers.get('location')!, 'http://localhost/base/api').pathname).toBe(
      '/base/api/',
    );
  });
});
