import { expect, test } from 'bun:test';
import { banner } from '../../src/cli/banner.ts';
import { parseConfig } from '../../src/config/parse.ts';

const place = {
  path: '/state',
  why: 'configured',
  writable: true,
  reason: '',
  temporary: false,
  passedOver: [],
};

const told = (hostname: string) =>
  banner({
    server: { hostname, port: 8317 },
    source: { path: '/config.yaml', why: '--config' },
    paths: { auth: place, logs: place, state: place, config: undefined },
    first: undefined,
    config: parseConfig('api-keys: [a-key-1]\n', { file: 'config.yaml', environment: {} }).config,
    version: '1',
  });

test.each([
  ['127.0.0.1', 'http://127.0.0.1:8317', false],
  ['::1', 'http://[::1]:8317', false],
  ['::', 'http://127.0.0.1:8317', true],
  ['0.0.0.0', 'http://127.0.0.1:8317', true],
])('listening at %s is told as %s, and whether others reach it: %p', (hostname, url, others) => {
  expect(told(hostname)).toContain(`listening  ${url} `);
  expect(told(hostname).includes('every other address')).toBe(others);
});
