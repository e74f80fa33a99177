import { join } from 'node:path';
import { writtenPlaces } from './discover.ts';
import { temporaryFolder, type Whereabouts } from './places.ts';
import { writeAtomic } from '../state/write.ts';

/** The config of a first run. */
export interface FirstRun {
  /** Where it was written; undefined when nothing can be written and it lives in memory only. */
  readonly path: string | undefined;
  readonly why: string;
  readonly text: string;
  /** The one client key in it; shown once. */
  readonly key: string;
  /** The file is in the temporary folder and is lost at the next reboot. */
  readonly temporary: boolean;
  /** Places that refused, each with its reason. */
  readonly refused: readonly string[];
}

/** A fresh client key: `sk-` and 192 random bits in hex. */
export function newKey(): string {
  return `sk-${crypto.getRandomValues(Buffer.alloc(24)).toString('hex')}`;
}

/** Writes a config that works at once, in the first place that can be written. Call it when discovery found none. */
export async function firstRun(here: Whereabouts, key: string = newKey()): Promise<FirstRun> {
  const text = firstConfig(key);
  const refused: string[] = [];
  for (const { path: folder, why } of writtenPlaces(here)) {
    const path = join(folder, 'config.yaml');
    const written = await writeAtomic(path, text);
    if (written.persisted) {
      return {
        path,
        why: `written at first run into ${why}`,
        text,
        key,
        temporary: folder === temporaryFolder(here),
        refused,
      };
    }
    refused.push(written.reason);
  }
  return {
    path: undefined,
    why: 'kept in memory: no place can be written',
    text,
    key,
    temporary: true,
    refused,
  };
}

/** The text of a first config: what it holds works, and what stands in comments is what people want next. */
export const firstConfig = (
  key: string,
): string => `# cliproxyapi++ configuration. Changes take effect when this file is saved, without a restart;
# \`cliproxyapi++ check\` says what is wrong with it, \`cliproxyapi++ check --explain\` lists every key.

# Only programs on this machine reach the gateway. To serve others, delete this line; api-keys then protects it.
host: 127.0.0.1
port: 8317

# What clients present as their API key. \`cliproxyapi++ new-key\` prints another one.
api-keys:
  - ${key}

# A built-in model named "demo" that echoes, streams, thinks and calls tools without any provider: good for wiring up
# a client. Switch it off once a real provider is below.
demo:
  enabled: true

# A provider with an API of the OpenAI kind. Take the # away and put your key in; a value such as
# \${OPENROUTER_API_KEY} is read from the environment.
# openrouter:
#   - api-key: \${OPENROUTER_API_KEY}
#     models:
#       - name: openai/gpt-4o-mini
#         alias: gpt-4o-mini

# Any other address works the same way:
# openai-compatibility:
#   - name: local
#     base-url: http://127.0.0.1:11434/v1
#     models:
#       - name: llama3.2

# Claude with an Anthropic API key:
# claude-api-key:
#   - api-key: \${ANTHROPIC_API_KEY}

# The management API under /v0/management, switched on by a key of its own:
# remote-management:
#   secret-key: choose-a-strong-one
`;
