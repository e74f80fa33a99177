import type { ChatEvent, Reply } from '../core/event.ts';
import { type Json, readString, tryParseObject } from '../core/json.ts';
import type { Machine } from '../core/machine.ts';
import type { ChatRequest, Message, Part, Tool, ToolCallPart, ToolChoice } from '../core/request.ts';
import type { Drop, ToolRule } from '../protocols/protocol.ts';

/** The two-way map of one request's tools: bijective, and only for those that the wire cannot take as they are. */
export interface FittedTools {
  /** The request with every tool as the wire takes it: definitions, choice, history. */
  readonly request: ChatRequest;
  /** Tool calls as the client knows them, on the way back. */
  restoreEvents(): Machine<ChatEvent, ChatEvent>;
  restoreReply(reply: Reply): Reply;
}

/** How the client knows a tool. */
interface Known {
  readonly name: string;
  readonly namespace?: string;
  /** It takes free text, which the wire carries as `{"input": "…"}`. */
  readonly custom: boolean;
}

/** Fits the tools to a wire; undefined when it takes all of them as they are, which is the rule. */
export function fitTools(
  request: ChatRequest,
  rule: ToolRule | undefined,
  drop: Drop,
): FittedTools | undefined {
  return !rule || takesAll(rule, request) ? undefined : mapped(request, rule, drop);
}

function mapped(request: ChatRequest, rule: ToolRule, drop: Drop): FittedTools | undefined {
  const all = knownTools(request);
  const strange = all.filter((tool) => !takes(rule, tool, tool.custom));
  if (strange.length === 0) return undefined;
  const used = new Set(all.filter((tool) => takes(rule, tool, tool.custom)).map(({ name }) => name));
  const there = new Map<string, string>();
  const back = new Map<string, Known>();
  for (const tool of strange) {
    if (there.has(keyOf(tool))) continue;
    const name = fresh(tool, rule, used);
    there.set(keyOf(tool), name);
    back.set(name, tool);
  }
  return {
    request: fitted(request, { rule, there, drop }),
    restoreEvents: () => restoring(back),
    restoreReply: (reply) => restoredReply(reply, back),
  };
}

/** What a tool is called. */
type Named = Pick<Known, 'name' | 'namespace'>;

const keyOf = ({ namespace, name }: Named) => `${namespace ?? ''}\0${name}`;

const takes = (rule: ToolRule, { name, namespace }: Named, custom: boolean): boolean =>
  (namespace === undefined || rule.namespaces === true) &&
  (!custom || rule.freeForm === true) &&
  name.length <= rule.longest &&
  !rule.forbidden.test(name);

/** Whether a wire takes every tool that a request defines and every call of its history. */
function takesAll(rule: ToolRule, { tools, messages }: ChatRequest): boolean {
  for (const tool of tools)
    if (tool.kind !== 'hosted' && !takes(rule, tool, tool.kind === 'custom')) return false;
  for (const { parts } of messages)
    for (const part of parts)
      if (part.kind === 'tool-call' && !takes(rule, part, part.custom === true)) return false;
  return true;
}

/** Every tool that the request defines, and those that only its history names. */
function knownTools({ tools, messages }: ChatRequest): readonly Known[] {
  const all: Known[] = [];
  for (const tool of tools)
    if (tool.kind !== 'hosted')
      all.push({ ...spaced(tool), name: tool.name, custom: tool.kind === 'custom' });
  let defined: ReadonlySet<string> | undefined;
  for (const { parts } of messages)
    for (const part of parts) {
      if (part.kind !== 'tool-call') continue;
      defined ??= new Set(tools.map(keyOf));
      if (!defined.has(keyOf(part)))
        all.push({ ...spaced(part), name: part.name, custom: part.custom ?? false });
    }
  return all;
}

const spaced = ({ namespace }: { readonly namespace?: string }) =>
  namespace === undefined ? {} : { namespace };

/** A name the wire accepts and nobody uses yet; taken from then on. A namespace goes before the name. */
function fresh({ name, namespace }: Known, rule: ToolRule, used: Set<string>): string {
  const full = namespace === undefined || rule.namespaces ? name : `${namespace}__${name}`;
  const base = full.replaceAll(new RegExp(rule.forbidden, 'g'), '_').slice(0, rule.longest);
  let candidate = base;
  for (let count = 2; used.has(candidate); count++) {
    const suffix = `_${count}`;
    candidate = base.slice(0, rule.longest - suffix.length) + suffix;
  }
  used.add(candidate);
  return candidate;
}

interface Way {
  readonly rule: ToolRule;
  readonly there: ReadonlyMap<string, string>;
  readonly drop: Drop;
}

function fitted(request: ChatRequest, way: Way): ChatRequest {
  return {
    ...request,
    tools: request.tools.map((tool) => fittedTool(tool, way)),
    messages: request.messages.map((message): Message => ({
      ...message,
      parts: message.parts.map((part) => fittedPart(part, way)),
    })),
    ...(request.toolChoice ? { toolChoice: fittedChoice(request.toolChoice, way) } : {}),
  };
}

/** What a free-form tool is where every tool takes JSON. */
const freeForm: Json = {
  type: 'object',
  properties: { input: { type: 'string', description: 'The whole input of the tool, as free text.' } },
  required: ['input'],
  additionalProperties: false,
};

function fittedTool(tool: Tool, { rule, there, drop }: Way): Tool {
  if (tool.kind === 'hosted') return tool;
  const { namespace: _, ...bare } = tool;
  const name = there.get(keyOf(tool)) ?? tool.name;
  const placed = rule.namespaces ? { ...tool, name } : { ...bare, name };
  if (placed.kind !== 'custom' || rule.freeForm) return placed;
  const { format, kind: _kind, ...rest } = placed;
  if (format) drop(`tools.${tool.name}.format`);
  return { ...rest, kind: 'function', schema: freeForm };
}

function fittedPart(part: Part, { rule, there }: Way): Part {
  if (part.kind === 'tool-result') {
    if (!part.custom || rule.freeForm) return part;
    const { custom: _, ...rest } = part;
    return rest;
  }
  if (part.kind !== 'tool-call') return part;
  const { namespace, custom, ...bare } = part;
  const name = there.get(keyOf(part)) ?? part.name;
  const space = rule.namespaces && namespace !== undefined ? { namespace } : {};
  if (!custom) return { ...bare, ...space, name };
  if (rule.freeForm) return { ...bare, ...space, name, custom };
  return { ...bare, ...space, name, args: JSON.stringify({ input: part.args }) };
}

function fittedChoice(choice: ToolChoice, { there }: Way): ToolChoice {
  if (choice.kind === 'tool') return { kind: 'tool', name: there.get(keyOf(choice)) ?? choice.name };
  if (choice.kind !== 'subset') return choice;
  return { ...choice, names: choice.names.map((name) => there.get(keyOf({ name })) ?? name) };
}

/** What the client knows the call as; free text comes out of its JSON. */
function known(call: ToolCallPart, tool: Known): ToolCallPart {
  const args = tool.custom ? freeText(call.args) : call.args;
  return { ...call, ...spaced(tool), name: tool.name, args, ...(tool.custom ? { custom: true } : {}) };
}

/** A model that forgot the JSON has still written the input. */
const freeText = (args: string): string => readString(tryParseObject(args)?.['input']) ?? args;

function restoredReply(reply: Reply, back: ReadonlyMap<string, Known>): Reply {
  const restored = (parts: readonly Part[]) =>
    parts.map((part) => {
      const tool = part.kind === 'tool-call' ? back.get(part.name) : undefined;
      return tool && part.kind === 'tool-call' ? known(part, tool) : part;
    });
  const others = reply.others?.map((other) => ({ ...other, parts: restored(other.parts) }));
  return { ...reply, parts: restored(reply.parts), ...(others ? { others } : {}) };
}

/** Calls get their own names back as they begin; free text is known only once its JSON is whole. */
function restoring(back: ReadonlyMap<string, Known>): Machine<ChatEvent, ChatEvent> {
  let held: { readonly block: number; text: string } | undefined;
  return {
    push(event) {
      if (event.type === 'block-start' && event.head.kind === 'tool-call') {
        const tool = back.get(event.head.name);
        if (!tool) return [event];
        if (tool.custom) held = { block: event.block, text: '' };
        const custom = tool.custom ? { custom: true } : {};
        return [{ ...event, head: { ...event.head, ...spaced(tool), name: tool.name, ...custom } }];
      }
      if (event.type === 'block-delta' && held?.block === event.block) {
        held.text += event.text;
        return [];
      }
      if (event.type === 'block-end' && held?.block === event.block) {
        const text = freeText(held.text);
        held = undefined;
        return [{ type: 'block-delta', block: event.block, text }, event];
      }
      return [event];
    },
    end: () => [],
  };
}
