import { Type } from '@sinclair/typebox';
import { maskSecrets } from '../config/edit.ts';
import { ConfigError } from '../config/fault.ts';
import type { Applied } from '../config/runtime.ts';
import { failures } from './docs.ts';
import type { AdminHall, AdminRoute, Visit } from './hall.ts';
import { Refusal } from './refusal.ts';
import { readText } from './text.ts';

const yamlText = { 'application/yaml': { schema: Type.String() } };
const etagHeader = { ETag: { description: 'Names this version of the file.', schema: Type.String() } };

const saved = Type.Object({
  ok: Type.Literal(true),
  changed: Type.Array(Type.Literal('config'), { description: 'Empty when the text was the current one.' }),
  etag: Type.String({ description: 'For the If-Match of the next edit, there in quotes.' }),
  persisted: Type.Boolean({
    description: 'False when the change is live but could not be written to the file.',
  }),
  reason: Type.Optional(Type.String({ description: 'Why it could not be written.' })),
  'needs-restart': Type.Array(Type.String(), {
    description: 'Changed settings that wait for the next start.',
  }),
});

/** The configuration: as it is in effect, and as the text that it is made of. */
export function configRoutes(hall: AdminHall): readonly AdminRoute[] {
  const { steward } = hall;
  return [
    {
      method: 'GET',
      path: '/config',
      detail: {
        summary: 'The configuration in effect',
        description: 'With defaults and overrides from the environment. Secrets are masked.',
        responses: {
          200: {
            description: 'Keyed as in config.yaml.',
            content: { 'application/json': { schema: Type.Record(Type.String(), Type.Unknown()) } },
          },
          ...failures(),
        },
      },
      work: () => Response.json(maskSecrets(steward.current.config)),
    },
    {
      method: 'GET',
      path: '/config.yaml',
      detail: {
        summary: 'The config file',
        description:
          'The raw text for editing, with comments and **with every secret in it**: treat the answer like the file.',
        responses: {
          200: { description: 'The text.', headers: etagHeader, content: yamlText },
          ...failures(),
        },
      },
      work: () => configText(hall),
    },
    {
      method: 'PUT',
      path: '/config.yaml',
      detail: {
        summary: 'Replaces the config file',
        description:
          'The text is checked, built and taken into use as a whole, or nothing changes and every fault is named. ' +
          'With If-Match it replaces only that version. A file that cannot be written does not stop the change: it is live, and `persisted` is false.',
        parameters: [
          {
            name: 'If-Match',
            in: 'header',
            required: false,
            description: 'The ETag of the version that the edit began with.',
            schema: Type.String(),
          },
        ],
        requestBody: { required: true, content: yamlText },
        responses: {
          200: { description: 'In effect.', content: { 'application/json': { schema: saved } } },
          ...failures(400, 412, 413, 422),
        },
      },
      work: (visit) => replaceConfig(hall, visit),
    },
  ];
}

/** An etag as headers spell it. */
const quoted = (etag: string) => `"${etag}"`;

function configText({ steward }: AdminHall): Response {
  const { text, etag } = steward.current;
  if (text === '' && steward.source.path === undefined)
    throw new Refusal(
      404,
      'not_found',
      'The gateway runs without a config file.',
      'PUT one here, or start it with --config.',
    );
  return new Response(text, {
    headers: { 'content-type': 'application/yaml; charset=utf-8', etag: quoted(etag) },
  });
}

/** A config file is a few kilobytes; this leaves room for a long list of accounts. */
const longestConfig = 1024 * 1024;

async function replaceConfig({ steward }: AdminHall, { request }: Visit): Promise<Response> {
  const text = await readText(request, longestConfig);
  if (text.trim() === '')
    throw new Refusal(
      400,
      'empty body',
      'The body is empty; that would erase the configuration.',
      'Send the whole text of config.yaml.',
    );
  const ifMatch = wantedEtag(request.headers, steward.current.etag);
  const applied = await steward
    .apply(text, { persist: true, ...(ifMatch === undefined ? {} : { ifMatch }) })
    .catch((thrown: unknown) => {
      throw thrown instanceof ConfigError ? invalidConfig(thrown) : thrown;
    });
  if (applied.outcome === 'etag-mismatch') throw mismatch(applied.etag);
  return Response.json(savedBody(applied), { headers: { etag: quoted(applied.etag) } });
}

function savedBody(applied: Exclude<Applied, { readonly outcome: 'etag-mismatch' }>) {
  if (applied.outcome === 'unchanged')
    return { ok: true, changed: [], etag: applied.etag, persisted: true, 'needs-restart': [] };
  const { etag, persisted, reason, needsRestart } = applied;
  return {
    ok: true,
    changed: ['config'],
    etag,
    persisted,
    ...(reason === undefined ? {} : { reason }),
    'needs-restart': needsRestart,
  };
}

/**
 * The version that an edit must have begun with: of a list the current one when it is among them. `*` matches any.
 * A weak mark (`W/`) is read like a strong one, because proxies that compress put it there.
 */
function wantedEtag(headers: Headers, current: string): string | undefined {
  const header = headers.get('if-match')?.trim();
  if (!header || header === '*') return undefined;
  const wanted = header.split(',').map((tag) => tag.trim().replace(/^W\//, '').replaceAll('"', ''));
  return wanted.includes(current) ? current : wanted[0];
}

function mismatch(etag: string): Refusal {
  return new Refusal(
    412,
    'etag_mismatch',
    'The configuration has changed since the version that If-Match names.',
    'GET /v0/management/config.yaml again, repeat the edit on it, and send its ETag.',
    { fields: { etag }, headers: { etag: quoted(etag) } },
  );
}

/** What is said of a text that has faults. */
export function invalidConfig({ faults, notices }: ConfigError): Refusal {
  const [first] = faults;
  const where = first ? `${first.path || `line ${first.line}`}: ${first.message}` : 'it cannot be used';
  const more = faults.length > 1 ? ` and ${faults.length - 1} more` : '';
  return new Refusal(
    422,
    'invalid_config',
    `The configuration has faults: ${where}${more}.`,
    'Correct what `faults` names and send it again; the configuration in effect was not touched.',
    {
      fields: {
        faults: faults.map(({ path, line, column, message, expected, excerpt }) => ({
          path,
          line,
          column,
          message,
          expected,
          excerpt,
        })),
        warnings: notices
          .filter(({ kind }) => kind === 'warning')
          .map(({ path, line, message }) => ({ path, line, message })),
      },
    },
  );
}
