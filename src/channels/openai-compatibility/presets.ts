/** One service that speaks OpenAI's Chat Completions: a row, because nothing else about it differs. */
export interface Vendor {
  readonly baseUrl: string;
  /** Environment variables that hold a key, first one first; used by entries that name no key. */
  readonly keyVariables: readonly string[];
  /** The variable alone opens the service, without any config. */
  readonly ambient?: true;
  /** Served when an entry lists no models; absent means that the entry must list them. */
  readonly models?: readonly string[];
  /** A variant of the protocol; see `protocols/openai-chat`. */
  readonly dialect?: string;
  readonly docs: string;
}

/**
 * The services with a key of their own in config.yaml. Addresses are those of the reference's config. Models are given
 * where the vendor's own list is short, or where ../shared/fixtures shows the model answering there; they drift, and
 * `models` in the config replaces them.
 */
export const vendors: Readonly<Record<string, Vendor>> = {
  openrouter: {
    baseUrl: 'https://openrouter.ai/api/v1',
    keyVariables: ['OPENROUTER_API_KEY'],
    models: [
      'anthropic/claude-haiku-4.5',
      'deepseek/deepseek-chat',
      'google/gemini-2.5-flash',
      'google/gemini-3.6-flash',
      'openai/gpt-4.1',
      'openai/gpt-5.2',
      'openrouter/auto',
      'z-ai/glm-5-turbo',
    ],
    // OpenRouter wants its reasoning_details back, signatures and all, to go on with a thought.
    dialect: 'reasoning-details',
    docs: 'https://openrouter.ai/docs',
  },
  groq: {
    baseUrl: 'https://api.groq.com/openai/v1',
    keyVariables: ['GROQ_API_KEY'],
    models: [
      'llama-3.3-70b-versatile',
      'meta-llama/llama-4-scout-17b-16e-instruct',
      'moonshotai/kimi-k2-instruct-0905',
      'openai/gpt-oss-120b',
      'openai/gpt-oss-20b',
      'qwen/qwen3-32b',
    ],
    docs: 'https://console.groq.com/docs',
  },
  deepseek: {
    baseUrl: 'https://api.deepseek.com',
    keyVariables: ['DEEPSEEK_API_KEY'],
    models: ['deepseek-chat', 'deepseek-v4-flash', 'deepseek-v4-pro'],
    // DeepSeek refuses a conversation with tool calls whose earlier reasoning_content is missing.
    dialect: 'reasoning-history',
    docs: 'https://api-docs.deepseek.com',
  },
  mistral: {
    baseUrl: 'https://api.mistral.ai/v1',
    keyVariables: ['MISTRAL_API_KEY'],
    models: ['magistral-small-latest', 'ministral-3b-latest', 'mistral-large-latest', 'mistral-small-latest'],
    docs: 'https://docs.mistral.ai',
  },
  together: {
    baseUrl: 'https://api.together.xyz/v1',
    keyVariables: ['TOGETHER_API_KEY'],
    models: ['meta-llama/Llama-3.3-70B-Instruct-Turbo'],
    docs: 'https://docs.together.ai',
  },
  fireworks: {
    baseUrl: 'https://api.fireworks.ai/inference/v1',
    keyVariables: ['FIREWORKS_API_KEY'],
    docs: 'https://docs.fireworks.ai',
  },
  novita: {
    baseUrl: 'https://api.novita.ai/v1',
    keyVariables: ['NOVITA_API_KEY'],
    docs: 'https://novita.ai/docs',
  },
  siliconflow: {
    baseUrl: 'https://api.siliconflow.cn/v1',
    keyVariables: ['SILICONFLOW_API_KEY'],
    docs: 'https://docs.siliconflow.cn',
  },
  minimax: {
    baseUrl: 'https://api.minimax.chat/v1',
    keyVariables: ['MINIMAX_API_KEY'],
    models: ['MiniMax-M2', 'MiniMax-M2.1', 'MiniMax-M2.5', 'MiniMax-M2.7'],
    docs: 'https://platform.minimax.io/docs',
  },
  roo: {
    baseUrl: 'https://api.roocode.com/v1',
    keyVariables: ['ROO_API_KEY'],
    docs: 'https://docs.roocode.com',
  },
  kilo: {
    baseUrl: 'https://api.kilo.ai/v1',
    keyVariables: ['KILO_API_KEY'],
    models: ['kilo/auto'],
    docs: 'https://kilo.ai/docs',
  },
  zen: {
    baseUrl: 'https://opencode.ai/zen/v1',
    keyVariables: ['ZEN_API_KEY', 'OPENCODE_API_KEY', 'THGENT_ZEN_API_KEY'],
    ambient: true,
    // Only what Zen serves over Chat Completions; its gpt and claude models answer on other endpoints.
    models: ['big-pickle', 'deepseek-v4-flash-free', 'glm-4.6', 'kimi-k2'],
    docs: 'https://opencode.ai/docs/zen',
  },
  nim: {
    baseUrl: 'https://integrate.api.nvidia.com/v1',
    keyVariables: ['NIM_API_KEY', 'THGENT_NIM_API_KEY', 'NVIDIA_API_KEY'],
    ambient: true,
    models: ['nvidia/llama-3.1-nemotron-70b-instruct', 'openai/gpt-oss-120b', 'openai/gpt-oss-20b'],
    docs: 'https://docs.api.nvidia.com/nim/reference',
  },
};
