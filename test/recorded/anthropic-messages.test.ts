import { describe } from 'bun:test';
import anthropicMessages from '../../src/protocols/anthropic-messages/index.ts';
import { answersOf } from './answers.ts';

describe('recorded answers of anthropic-messages', () => answersOf(anthropicMessages));
