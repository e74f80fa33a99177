/** This protocol's id, and whose encrypted reasoning its wire carries. */
export const id = 'openai-responses';
export const issuer = 'openai';

/** The variant that ChatGPT's own backend speaks: always streamed, never stored, fewer parameters. */
export const codexDialect = 'codex';
