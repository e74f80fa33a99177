import { describe } from 'bun:test';
import gemini from '../../src/protocols/gemini/index.ts';
import { answersOf } from './answers.ts';

describe('recorded answers of gemini', () => answersOf(gemini));
