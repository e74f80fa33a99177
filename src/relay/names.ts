import type { ChatEvent, Reply } from '../core/event.ts';
import type { ChatRequest, Message, Part, ToolChoice } from '../core/request.ts';
import type { NameRule } from '../protocols/protocol.ts';

/** The two-way map of tool names for one request: bijective, and only for names that the wire refuses. */
export interface Names {
  /** The request with every name as the wire accepts it: definitions, choice, history. */
  readonly request: ChatRequest;
  /** The names as the client knows them, on the way back. */
  restoreEvent(event: ChatEvent): ChatEvent;
  restoreReply(reply: Reply): Reply;
}

/** Renames the tools that a wire would refuse; undefined when all of them are fine, which is the rule. */
export function fitNames(request: ChatRequest, rule: NameRule | undefined): Names | undefined {
  if (!rule) return undefined;
  const used = new Set([...namesIn(request)]);
  const refused = [...used].filter((name) => name.length > rule.longest || rule.forbidden.test(name));
  if (refused.length === 0) return undefined;
  const there = new Map<string, string>();
  for (const name of refused) there.set(name, fresh(name, rule, used));
  const back = new Map([...there].map(([client, wire]) => [wire, client]));
  return {
    request: renamed(request, there),
    restoreEvent: (event) => restoredEvent(event, back),
    restoreReply: (reply) => ({
      ...reply,
      parts: reply.parts.map((part) => renamedPart(part, back)),
      ...(reply.others
        ? {
            others: reply.others.map((other) => ({
              ...other,
              parts: other.parts.map((p) => renamedPart(p, back)),
            })),
          }
        : {}),
    }),
  };
}

function* namesIn(request: ChatRequest): Iterable<string> {
  for (const tool of request.tools) if (tool.kind !== 'hosted') yield tool.name;
  for (const { parts } of request.messages)
    for (const part of parts) if (part.kind === 'tool-call') yield part.name;
}

/** A name the wire accepts and nobody uses yet; taken from then on. */
function fresh(name: string, rule: NameRule, used: Set<string>): string {
  const base = name.replaceAll(new RegExp(rule.forbidden, 'g'), '_').slice(0, rule.longest);
  let candidate = base;
  for (let count = 2; used.has(candidate); count++) {
    const suffix = `_${count}`;
    candidate = base.slice(0, rule.longest - suffix.length) + suffix;
  }
  used.add(candidate);
  return candidate;
}

function renamed(request: ChatRequest, names: ReadonlyMap<string, string>): ChatRequest {
  return {
    ...request,
    tools: request.tools.map((tool) => ({ ...tool, name: names.get(tool.name) ?? tool.name })),
    messages: request.messages.map((message): Message => ({
      ...message,
      parts: message.parts.map((part) => renamedPart(part, names)),
    })),
    ...(request.toolChoice ? { toolChoice: renamedChoice(request.toolChoice, names) } : {}),
  };
}

function renamedChoice(choice: ToolChoice, names: ReadonlyMap<string, string>): ToolChoice {
  if (choice.kind === 'tool') return { ...choice, name: names.get(choice.name) ?? choice.name };
  if (choice.kind === 'subset')
    return { ...choice, names: choice.names.map((name) => names.get(name) ?? name) };
  return choice;
}

function renamedPart(part: Part, names: ReadonlyMap<string, string>): Part {
  if (part.kind === 'tool-call') return { ...part, name: names.get(part.name) ?? part.name };
  if (part.kind === 'tool-result' && part.name) return { ...part, name: names.get(part.name) ?? part.name };
  return part;
}

function restoredEvent(event: ChatEvent, names: ReadonlyMap<string, string>): ChatEvent {
  if (event.type !== 'block-start' || event.head.kind !== 'tool-call') return event;
  const name = names.get(event.head.name);
  return name === undefined ? event : { ...event, head: { ...event.head, name } };
}
