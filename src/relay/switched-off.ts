import type { Operation } from '../channels/channel.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../core/error.ts';
import { editTopLevel, type Json, readArray, readObject } from '../core/json.ts';
import type { Exchange } from './exchange.ts';

/** What the operator has switched off: endpoints, and the tool that makes pictures in the middle of a chat. */

const compaction: Operation = '/v1/responses/compact';
const imageEndpoints: ReadonlySet<Operation> = new Set([
  '/v1/images/generations',
  '/v1/images/edits',
  '/v1beta/models:predict',
]);

/** @throws GatewayError `not-found` for an endpoint that is not offered. */
export function refuseSwitchedOff(operation: Operation, config: Config): void {
  if (operation === compaction && !config['responses-compact-enabled'])
    throw switchedOff(operation, 'responses-compact-enabled: true');
  if (imageEndpoints.has(operation) && config['disable-image-generation'] === true)
    throw switchedOff(operation, 'disable-image-generation: false');
}

const switchedOff = (operation: Operation, setting: string): GatewayError =>
  new GatewayError({ kind: 'not-found', what: 'route' }, `${operation} is switched off on this gateway.`, {
    remedy: `The operator can set \`${setting}\` in the config file.`,
  });

const isImageTool = (tool: unknown): boolean => readObject(tool)?.type === 'image_generation';

/** The body of a request without the image tool, where the operator will not have pictures made in chats. */
export function withoutImageTool(exchange: Exchange, body: Json): Json {
  const off = exchange.runtime.config['disable-image-generation'];
  const tools = readArray(body.tools);
  if ((off !== true && off !== 'chat') || !tools?.some(isImageTool)) return body;
  exchange.record.dropped.add('tools: image_generation (switched off on this gateway)');
  const others = tools.filter((tool) => !isImageTool(tool));
  const choice = others.length === 0 || isImageTool(body.tool_choice) ? undefined : body.tool_choice;
  const edits = { tools: others.length === 0 ? undefined : others, tool_choice: choice };
  const { tools: _tools, tool_choice: _choice, ...rest } = body;
  exchange.body = editTopLevel(exchange.body, new Map(Object.entries(edits)));
  return {
    ...rest,
    ...Object.fromEntries(Object.entries(edits).filter(([, value]) => value !== undefined)),
  };
}
