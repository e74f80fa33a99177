import { describe } from 'bun:test';
import openaiResponses from '../../src/protocols/openai-responses/index.ts';
import { answersOf } from './answers.ts';

describe('recorded answers of openai-responses', () => answersOf(openaiResponses));
