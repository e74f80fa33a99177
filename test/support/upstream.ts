/** Providers on loopback that speak the real wire, check what the real ones check, and fail in every way they fail. */
export { anthropicUpstream } from './anthropic-upstream.ts';
export { geminiUpstream } from './gemini-upstream.ts';
export { openaiUpstream } from './openai-upstream.ts';
export { responsesUpstream } from './responses-upstream.ts';
export { simulatorKey, type Fault, type Simulator } from './simulator.ts';
export { refusingUrl, type Received } from './wire-server.ts';
