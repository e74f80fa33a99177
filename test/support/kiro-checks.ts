import { readObject, readObjects, readString, type Json } from '../../src/core/json.ts';

/** What the service knows of who asks. */
export interface Caller {
  readonly method: 'social' | 'idc' | 'builder-id';
  readonly profileArn: string | undefined;
}

/** A refusal in the service's own words. */
export interface KiroRefusal {
  readonly status: number;
  readonly type: string;
  readonly message: string;
  readonly reason?: string;
}

const refuse = (status: number, type: string, message: string, reason?: string): KiroRefusal => ({
  status,
  type,
  message,
  ...(reason === undefined ? {} : { reason }),
});

const improper = (why: string): KiroRefusal & { why: string } => ({
  ...refuse(400, 'ValidationException', 'Improperly formed request.'),
  why,
});

const models: ReadonlySet<unknown> = new Set([
  'auto',
  'claude-sonnet-4.5',
  'claude-sonnet-4',
  'claude-haiku-4.5',
  'claude-opus-4.5',
]);

/** Why the service refuses a body; `why` is the simulator's own note for a test that fails by it. */
export function kiroFault(body: Json, caller: Caller): (KiroRefusal & { why?: string }) | undefined {
  const strange = Object.keys(body).filter((key) => !topLevel.has(key));
  if (strange.length > 0) return improper(`unknown fields ${strange.join()}`);
  if (caller.method === 'social' && body.profileArn !== caller.profileArn)
    return refuse(400, 'ValidationException', 'profileArn is required for this request.');
  if (caller.method !== 'social' && body.profileArn !== undefined)
    return refuse(403, 'AccessDeniedException', 'User is not authorized to make this call.');
  const state = readObject(body.conversationState);
  if (state?.chatTriggerType !== 'MANUAL') return improper('no chatTriggerType');
  if (!/^[0-9a-f-]{36}$/.test(String(state.conversationId))) return improper('no conversationId');
  const current = readObject(readObject(state.currentMessage)?.userInputMessage);
  if (!current) return improper('no current message');
  if (!models.has(current.modelId))
    return refuse(
      400,
      'ValidationException',
      'Invalid model. Please select a different model to continue.',
      'INVALID_MODEL_ID',
    );
  const tools = readObjects(readObject(current.userInputMessageContext)?.tools);
  return toolFault(tools) ?? conversationFault(state, current, tools);
}

const topLevel = new Set(['conversationState', 'profileArn', 'inferenceConfig']);

function toolFault(tools: readonly Json[]): ReturnType<typeof improper> | undefined {
  for (const tool of tools) {
    const { name, description, inputSchema } = readObject(tool.toolSpecification) ?? {};
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(String(name))) return improper(`tool name ${String(name)}`);
    const bytes = Buffer.byteLength(readString(description) ?? '');
    if (bytes === 0 || bytes > 10_240) return improper(`a description of ${bytes} bytes`);
    const schema = readObject(readObject(inputSchema)?.json);
    if (schema?.type !== 'object') return improper('a schema that is no object');
    if (/"required":\[\]|"additionalProperties":/.test(JSON.stringify(schema)))
      return improper('a keyword that is not taken');
  }
  return undefined;
}

function conversationFault(
  state: Json,
  current: Json,
  tools: readonly Json[],
): ReturnType<typeof improper> | undefined {
  const names = new Set(tools.map((tool) => readObject(tool.toolSpecification)?.name));
  let open: readonly string[] = [];
  const history = readObjects(state.history);
  if (history.length % 2 !== 0) return improper('the history does not end with the assistant');
  for (const [index, entry] of history.entries()) {
    const user = readObject(entry.userInputMessage);
    const assistant = readObject(entry.assistantResponseMessage);
    if (index % 2 === 0) {
      const fault = user ? userFault(user, open) : improper('two answers in a row');
      if (fault) return fault;
      continue;
    }
    if (!assistant) return improper('two questions in a row');
    if (!assistant.content) return improper('an empty answer');
    const uses = readObjects(assistant.toolUses);
    for (const use of uses) {
      if (!names.has(use.name)) return improper(`a call of the unknown tool ${String(use.name)}`);
      if (!readObject(use.input)) return improper('an input that is no object');
      if (!/^[A-Za-z0-9_-]{1,64}$/.test(String(use.toolUseId))) return improper('an id of a call');
    }
    open = uses.map((use) => String(use.toolUseId));
    if (new Set(open).size < open.length) return improper('two calls with one id');
  }
  return userFault(current, open);
}

function userFault(message: Json, open: readonly string[]): ReturnType<typeof improper> | undefined {
  if (!readString(message.content)) return improper('empty content');
  if (message.origin !== 'AI_EDITOR') return improper('no origin');
  const results = readObjects(readObject(message.userInputMessageContext)?.toolResults);
  const ids = results.map((result) => String(result.toolUseId));
  if (ids.toSorted().join() !== open.toSorted().join())
    return improper(`results ${ids.join()} for calls ${open.join()}`);
  for (const result of results) {
    if (result.status !== 'success' && result.status !== 'error') return improper('a result without status');
    if (!readObjects(result.content).every((part) => part.text)) return improper('an empty result');
  }
  for (const image of readObjects(message.images)) {
    if (!['png', 'jpeg', 'gif', 'webp'].includes(String(image.format))) return improper('an image format');
    if (!/^[A-Za-z0-9+/]+=*$/.test(String(readObject(image.source)?.bytes))) return improper('an image');
  }
  return undefined;
}
