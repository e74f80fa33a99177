import type { Channel } from './channel.ts';
import claude from './claude/index.ts';
import codex from './codex/index.ts';
import demo from './demo/index.ts';
import gemini from './gemini/index.ts';
import openaiCompatibility from './openai-compatibility/index.ts';
import vertex from './vertex/index.ts';
import xai from './xai/index.ts';

/** Every way out. Adding one is one folder and one line. */
export const channels: readonly Channel[] = [claude, codex, demo, gemini, openaiCompatibility, vertex, xai];
