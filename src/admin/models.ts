import { Type } from '@sinclair/typebox';
import type { Pool } from '../accounts/pool/pool.ts';
import type { Steward } from '../config/runtime.ts';
import { explainModel, modelRows } from '../relay/routing/explain.ts';
import { failures, parameter } from './docs.ts';
import type { AdminRoute } from './hall.ts';
import { Refusal } from './refusal.ts';

const row = Type.Object(
  {
    id: Type.String(),
    providers: Type.Array(Type.String()),
    credentials: Type.Integer({ description: 'Credentials that can serve it, whatever their state.' }),
    ready: Type.Integer({ description: 'Those that nothing holds back now.' }),
  },
  { additionalProperties: true },
);

const explanation = Type.Object(
  {
    asked: Type.String(),
    name: Type.String({ description: 'Without its thinking suffix.' }),
    found_by: Type.Optional(
      Type.String({
        description: 'name, address (provider/model), auto or any-name; absent when nobody serves it.',
      }),
    ),
    credentials: Type.Array(Type.Object({}, { additionalProperties: true }), {
      description: 'Who can serve it, each with its state and what holds it back.',
    }),
    skipped: Type.Array(Type.Object({}, { additionalProperties: true }), {
      description: 'Who cannot, and why.',
    }),
  },
  { additionalProperties: true },
);

/** Which models there are, and why a name is served by whom it is served. */
export function modelRoutes(steward: Steward, pool: Pool): readonly AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/models',
      silent: true,
      detail: {
        summary: 'Every model with who serves it',
        description: 'What GET /v1/models lists, with providers, limits and how many credentials are ready.',
        responses: {
          200: {
            description: 'The models, sorted by id.',
            content: { 'application/json': { schema: Type.Object({ models: Type.Array(row) }) } },
          },
          ...failures(),
        },
      },
      work: () => Response.json({ models: modelRows(steward.current, pool) }),
    },
    {
      method: 'GET',
      path: '/models/explain',
      silent: true,
      detail: {
        summary: 'Why a model name is served as it is',
        description:
          'How the name is read (suffix, alias, prefix, provider/model), every credential that could serve it with what holds it back, and everybody else with the reason.',
        parameters: [
          { ...parameter('id', Type.String(), 'The name as a client writes it.', 'demo'), required: true },
        ],
        responses: {
          200: { description: 'The explanation.', content: { 'application/json': { schema: explanation } } },
          ...failures(400),
        },
      },
      work({ query }) {
        const id = query.get('id')?.trim() ?? '';
        if (id !== '') return Response.json(explainModel(steward.current, pool, id));
        throw new Refusal(400, 'missing id', 'The query names no model.', 'Send ?id= with a model name.');
      },
    },
  ];
}
