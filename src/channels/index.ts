import type { Channel } from './channel.ts';
import antigravity from './antigravity/index.ts';
import claude from './claude/index.ts';
import codex from './codex/index.ts';
import demo from './demo/index.ts';
import geminiCli from './gemini-cli/index.ts';
import gemini from './gemini/index.ts';
import githubCopilot from './github-copilot/index.ts';
import kiro from './kiro/index.ts';
import openaiCompatibility from './openai-compatibility/index.ts';
import vertex from './vertex/index.ts';
import xai from './xai/index.ts';

/** Every way out. Adding one is one folder and one line. */
export const channels: readonly Channel[] = [
  antigravity,
  claude,
  codex,
  demo,
  gemini,
  geminiCli,
  githubCopilot,
  kiro,
  openaiCompatibility,
  vertex,
  xai,
];
