import { describe } from 'bun:test';
import openaiChat from '../../src/protocols/openai-chat/index.ts';
import { answersOf } from './answers.ts';

describe('recorded answers of openai-chat', () => answersOf(openaiChat));
