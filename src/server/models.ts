import { Type } from '@sinclair/typebox';
import type { AnyElysia } from 'elysia';
import type { Json } from '../core/json.ts';
import type { ModelCard } from '../core/model.ts';
import {
  claudeList,
  claudeModel,
  codexCatalog,
  geminiList,
  geminiModel,
  openaiList,
  openaiModel,
} from '../models/listings.ts';
import type { Runtime } from '../config/runtime.ts';
import { unknownModel } from '../relay/routing/unknown-model.ts';
import type { Visit } from './answer.ts';
import { admit } from './gate.ts';
import type { Hall } from './hall.ts';
import { mountGet, mountHidden, recorded } from './mount.ts';
import type { Description } from './openapi.ts';

const model = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('model'),
    created: Type.Optional(Type.Integer({ description: 'Seconds since 1970.' })),
    owned_by: Type.Optional(Type.String()),
  },
  { description: 'Callers that send `anthropic-version` get the fields of the Anthropic API.' },
);

const models = Type.Object(
  { object: Type.Literal('list'), data: Type.Array(model) },
  {
    description:
      'With `anthropic-version`, or the user agent of Claude Code, the shape of the Anthropic API; with the query `client_version`, the catalogue that Codex CLI reads.',
  },
);

const example = { id: 'demo', object: 'model', created: 1760000000, owned_by: 'demo' };

const listDescription: Description = {
  tag: 'models',
  path: '/v1/models',
  summary: 'The models this gateway serves',
  response: models,
  example: { object: 'list', data: [example] },
  failures: { 401: 'The client key is missing or unknown.' },
};

const oneDescription: Description = {
  tag: 'models',
  path: '/v1/models/*',
  sample: '/v1/models/demo',
  summary: 'One model',
  description: 'The id may hold slashes, such as `team-a/model`.',
  response: model,
  example,
  failures: {
    401: 'The client key is missing or unknown.',
    404: 'No such model; the message names the nearest ones.',
  },
};

const geminiShape = Type.Object({ name: Type.String() }, { additionalProperties: true });
const geminiExample = {
  name: 'models/demo',
  displayName: 'demo',
  supportedGenerationMethods: ['generateContent'],
};

const geminiListDescription: Description = {
  tag: 'models',
  path: '/v1beta/models',
  summary: 'The models this gateway serves, in the shape of the Gemini API',
  response: Type.Object({ models: Type.Array(geminiShape) }),
  example: { models: [geminiExample] },
  failures: { 401: 'The client key is missing or unknown.' },
};

const geminiOneDescription: Description = {
  ...oneDescription,
  path: '/v1beta/models/*',
  sample: '/v1beta/models/demo',
  summary: 'One model, in the shape of the Gemini API',
  response: geminiShape,
  example: geminiExample,
};

/** `/v1/models` and `/v1/models/{id}`, each in the caller's own shape, and what Gemini clients ask for. */
export function mountModels(app: AnyElysia, hall: Hall): void {
  const list = (visit: Visit) => {
    enter(visit);
    return recorded(hall, visit, Response.json(listing(visit)));
  };
  mountGet(app, hall, listDescription, list);
  for (const path of ['/models', '/v1/v1/models']) mountHidden(app, hall, path, list);
  const one = (visit: Visit) => {
    enter(visit);
    const card = find(visit.runtime, idIn(visit.path));
    const body = wantsClaude(visit.request.headers) ? claudeModel(card) : openaiModel(card);
    return recorded(hall, visit, Response.json(body));
  };
  mountGet(app, hall, oneDescription, one);
  for (const path of ['/models/*', '/v1/v1/models/*']) mountHidden(app, hall, path, one);
  mountGet(app, hall, geminiListDescription, (visit) => {
    enter(visit);
    return recorded(hall, visit, Response.json(geminiList(visit.runtime.registry.list())));
  });
  mountGet(app, hall, geminiOneDescription, (visit) => {
    enter(visit);
    const card = find(visit.runtime, idIn(visit.path).replace(/^models\//, ''));
    return recorded(hall, visit, Response.json(geminiModel(card)));
  });
}

function enter({ request, runtime, path, search, record }: Visit): void {
  record.client = admit(request.headers, runtime, path, new URLSearchParams(search)).label;
}

function listing({ request, runtime, search }: Visit): Json {
  const cards = runtime.registry.list();
  if (search !== '' && new URLSearchParams(search).has('client_version')) return codexCatalog(cards);
  return wantsClaude(request.headers) ? claudeList(cards) : openaiList(cards);
}

/** Callers that speak the Anthropic API name its version; older Claude Code is known by its user agent alone. */
function wantsClaude(headers: Headers): boolean {
  return Boolean(headers.get('anthropic-version')) || !!headers.get('user-agent')?.startsWith('claude-cli');
}

function idIn(path: string): string {
  const id = path.slice(path.indexOf('/models/') + '/models/'.length);
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

function find(runtime: Runtime, id: string): ModelCard {
  const { registry } = runtime;
  const card = registry.list().find((card) => card.id === id) ?? registry.find(id)[0]?.card;
  if (card) return card;
  throw unknownModel(runtime, id);
}
