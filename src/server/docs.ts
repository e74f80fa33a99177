import type { swagger } from '@elysiajs/swagger';
import { type AnyElysia, Elysia, file } from 'elysia';
import { stringify } from 'yaml';
import bundle from '../../node_modules/@scalar/api-reference/dist/browser/standalone.js' with { type: 'file' };
import { readObject, type Json } from '../core/json.ts';
import type { Hall } from './hall.ts';
import { mountHidden } from './mount.ts';
import { errorSchemas, managementSample } from './openapi.ts';
import { isManagement } from './paths.ts';

/**
 * Mounts `/openapi.json`, `/openapi.yaml` and the API page at `/api/`. The document is made of the routes themselves,
 * so it must be mounted after them; it is made once, when it is first asked for.
 */
export function mountDocs(app: AnyElysia, hall: Hall): void {
  let made: Promise<Made> | undefined;
  const make = () => (made ??= makeDocs(app, hall));
  mountHidden(app, hall, '/openapi.json', async () => text((await make()).json, 'application/json'));
  mountHidden(app, hall, '/openapi.yaml', async () => text((await make()).yaml, 'application/yaml'));
  mountHidden(app, hall, '/api/', async ({ path }) => {
    // The page's links are relative, so that it also works under a path of a reverse proxy.
    if (!path.endsWith('/')) return new Response(null, { status: 308, headers: { location: 'api/' } });
    return text((await make()).page, 'text/html; charset=utf-8', pageHeaders);
  });
  mountHidden(
    app,
    hall,
    '/api/scalar.js',
    () => new Response(file(bundle).value as Blob, { headers: scriptHeaders }),
  );
}

const scriptHeaders = {
  'content-type': 'text/javascript; charset=utf-8',
  'cache-control': 'public, max-age=86400',
  'x-content-type-options': 'nosniff',
};

interface Made {
  readonly json: string;
  readonly yaml: string;
  readonly page: string;
}

const text = (body: string, contentType: string, headers?: Record<string, string>) =>
  new Response(body, { headers: { 'content-type': contentType, ...headers } });

/**
 * Nothing but our own script runs and nothing but our own server is called. Inline styles must stay allowed: the page's
 * script writes its style sheet into the document.
 */
const pageHeaders = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/** Lets the plugin read our routes on a stage of its own, so that neither its routes nor its headers become ours. */
async function makeDocs(app: AnyElysia, hall: Hall): Promise<Made> {
  const stage = new Elysia({ aot: false });
  for (const { method, path, hooks } of app.routes) {
    if (method === 'ALL' || hooks?.detail?.hide === true) continue;
    const { detail, body, query, params, headers, response } = hooks ?? {};
    stage.route(method, openEnd(path), () => '', {
      parse: 'json',
      detail,
      body,
      query,
      params,
      headers,
      response,
    });
  }
  // Loaded with the first visitor, because its themes would cost every start of the program some milliseconds.
  const { swagger } = await import('@elysiajs/swagger');
  stage.use(swagger(settings(hall)));
  const read = async (path: string) => (await stage.handle(new Request(`http://localhost${path}`))).text();
  const document = finished(JSON.parse(await read('/openapi.json')) as Json);
  const json = JSON.stringify(document);
  return {
    json,
    // From the text again, because the routes share schemas and YAML would say so with anchors.
    yaml: stringify(JSON.parse(json)),
    // The element that holds the settings is an empty script; named as data, it is nothing for the policy to refuse.
    page: (await read('/api/')).replace('id="api-reference"', 'id="api-reference" type="application/json"'),
  };
}

/** The plugin leaves out every path with an open end, so on the stage it is a parameter. */
const openEnd = (path: string) => path.replace('*', ':model');

const settings = (hall: Hall): Settings => ({
  path: '/api/',
  specPath: '/openapi.json',
  scalarCDN: 'scalar.js',
  excludeStaticFile: false,
  scalarConfig: pageSettings,
  // The plugin writes 3.0.3 unless it is told; its types know 3.0 alone.
  documentation: {
    openapi: '3.1.0',
    info: {
      title: 'CLIProxyAPI++',
      version: hall.version,
      description:
        'One port for every LLM API: clients of any protocol in front, your own credentials behind.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'This server' }],
    tags: tags(hall),
    security: [{ bearer: [] }, { 'x-api-key': [] }, { 'x-goog-api-key': [] }],
    components: { securitySchemes, schemas: errorSchemas(hall.protocols) },
  } as NonNullable<Settings['documentation']>,
});

type Settings = NonNullable<Parameters<typeof swagger>[0]>;

/** Everything on the page that would ask another host is off. */
const pageSettings = {
  spec: { url: '../openapi.json' },
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  hideModels: true,
  showDeveloperTools: 'never',
  theme: 'default',
  customCss: '',
} as object;

const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer', description: 'A key of `api-keys`.' },
  'x-api-key': { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'The same key.' },
  'x-goog-api-key': { type: 'apiKey', in: 'header', name: 'x-goog-api-key', description: 'The same key.' },
  management: {
    type: 'http',
    scheme: 'bearer',
    description: 'The management key, `remote-management.secret-key`; never a client key.',
  },
};

const tags = (hall: Hall) => [
  ...hall.protocols
    .filter(({ client }) => client)
    .map(({ id }) => ({ name: id, description: `Routes that speak ${id}.` })),
  { name: 'models', description: 'What can be asked for.' },
  { name: 'metrics', description: 'How it is going.' },
  { name: 'health', description: 'Whether it is going.' },
  { name: 'management', description: 'The configuration and the insides. Needs the management key.' },
];

/** Gives the management routes their tag, their key and a curl line, whatever they said of themselves. */
function finished(document: Json): Json {
  const paths = Object.entries(readObject(document['paths']) ?? {}).map(([path, item]) => {
    if (!isManagement(path)) return [path, item];
    const operations = Object.entries(readObject(item) ?? {}).map(([method, given]) => {
      const operation = readObject(given) ?? {};
      const samples = [managementSample(method.toUpperCase(), path, operation)];
      const more = { tags: ['management'], security: [{ management: [] }], 'x-codeSamples': samples };
      return [method, { ...operation, ...more }];
    });
    return [path, Object.fromEntries(operations)];
  });
  return { ...document, paths: Object.fromEntries(paths) };
}
