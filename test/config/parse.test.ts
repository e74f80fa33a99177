import { describe, expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { channel } from '../../src/channels/channel.ts';
import { printNotice } from '../../src/config/fault.ts';
import { parse, refused } from './support.ts';

const messageOf = (text: string, environment: Record<string, string> = {}) =>
  refused(() => parse(text, { environment })).message;
const notices = (text: string, environment: Record<string, string> = {}) =>
  parse(text, { environment }).notices.map(printNotice);

describe('a wrong config is refused with file, line, column, key path, what was expected, and a caret', () => {
  test.each([
    [
      'a word where a number belongs',
      'port: abc\n',
      'config.yaml:1:7: port: found "abc"; expected a whole number from 0 to 65535.\n  1 | port: abc\n    |       ^',
    ],
    [
      'a number out of range',
      'debug: true\nport: 70000\n',
      'config.yaml:2:7: port: found 70000; expected a whole number from 0 to 65535.\n  1 | debug: true\n  2 | port: 70000\n    |       ^',
    ],
    [
      'a fraction where a whole number belongs',
      'port: 83.5\n',
      'config.yaml:1:7: port: found 83.5; expected a whole number from 0 to 65535.\n  1 | port: 83.5\n    |       ^',
    ],
    [
      'one value where a list belongs',
      'cors:\n  allow-origins: https://a.example\n',
      'config.yaml:2:18: cors.allow-origins: found "https://a.example"; expected a list ("- item" lines).\n  1 | cors:\n  2 |   allow-origins: https://a.example\n    |                  ^',
    ],
    [
      'a list where a mapping belongs',
      'routing: [fill-first]\n',
      'config.yaml:1:10: routing: found a list; expected a mapping ("key: value" lines).\n  1 | routing: [fill-first]\n    |          ^',
    ],
    [
      'a word that is not among the choices',
      'routing:\n  strategy: filfirst\n',
      'config.yaml:2:13: routing.strategy: found "filfirst"; expected round-robin, fill-first, weighted-round-robin or least-loaded; did you mean fill-first?\n  1 | routing:\n  2 |   strategy: filfirst\n    |             ^',
    ],
    [
      'a number where true or false belongs',
      'debug: 1\n',
      'config.yaml:1:8: debug: found 1; expected true or false.\n  1 | debug: 1\n    |        ^',
    ],
    [
      'a duration without a unit',
      'routing:\n  session-affinity-ttl: 60\n',
      'config.yaml:2:25: routing.session-affinity-ttl: found 60; expected a duration such as "90s" or "1h30m".\n  1 | routing:\n  2 |   session-affinity-ttl: 60\n    |                         ^',
    ],
    [
      'a member of a list of entries',
      'payload:\n  override:\n    - models: [{name: ""}]\n',
      'config.yaml:3:23: payload.override[0].models[0].name: found nothing; expected text that is not empty.\n  1 | payload:\n  2 |   override:\n  3 |     - models: [{name: ""}]\n    |                       ^',
    ],
    [
      'a field that must be there',
      'payload:\n  override:\n    - models: [{protocol: openai}]\n',
      'config.yaml:3:16: payload.override[0].models[0].name: is missing; expected text that is not empty.\n  1 | payload:\n  2 |   override:\n  3 |     - models: [{protocol: openai}]\n    |                ^',
    ],
    [
      'a sample key',
      'api-keys:\n  - your-api-key-2\n',
      'config.yaml:2:5: api-keys[0]: this is a sample key that everybody knows; expected a key of your own; `cliproxyapi++ new-key` prints one.\n  1 | api-keys:\n  2 |   - your-api-key-2\n    |     ^',
    ],
    [
      'a key in typographic quotes',
      'api-keys:\n  - “sk-1”\n',
      'config.yaml:2:5: api-keys[0]: holds the character U+201C; expected a key of plain characters, because it travels in a header.\n  1 | api-keys:\n  2 |   - ••••••\n    |     ^',
    ],
    [
      'a proxy of a kind nobody knows',
      'proxy-url: ftp://me:secret@proxy:21\n',
      'config.yaml:1:12: proxy-url: cannot be used: its scheme is "ftp"; expected http://host:port, https://…, socks5://…, socks5h://… or direct.\n  1 | proxy-url: ftp://•••••••••@proxy:21\n    |            ^',
    ],
    [
      'TLS without a certificate',
      'tls: {enable: true, key: a.pem}\n',
      'config.yaml:1:6: tls.cert: is empty while tls.enable is true; expected the path of a PEM file.\n  1 | tls: {enable: true, key: a.pem}\n    |      ^',
    ],
    [
      'an open door',
      'host: 0.0.0.0\n',
      'config.yaml:1:7: host: would serve everybody who reaches 0.0.0.0, because there is no client key; expected a key under api-keys (`cliproxyapi++ new-key` prints one), or host: 127.0.0.1.\n  1 | host: 0.0.0.0\n    |       ^',
    ],
    [
      'a variable that is not set',
      'api-keys:\n  - ${NOPE}\n',
      'config.yaml:2:5: api-keys[0]: the environment variable NOPE is not set; expected NOPE in the environment, ${NOPE:-default}, or $${ for a plain ${.\n  1 | api-keys:\n  2 |   - ${NOPE}\n    |     ^',
    ],
    [
      'a variable that is not set, for a number: one fault',
      'port: ${NOPE}\n',
      'config.yaml:1:7: port: the environment variable NOPE is not set; expected NOPE in the environment, ${NOPE:-default}, or $${ for a plain ${.\n  1 | port: ${NOPE}\n    |       ^',
    ],
    [
      'an alias of nothing',
      'routing: *gone\n',
      'config.yaml:1:10: routing: *gone refers to nothing; expected an anchor of that name written before it.\n  1 | routing: *gone\n    |          ^',
    ],
    [
      'a repeated key',
      'port: 1\nport: 2\n',
      'config.yaml:2:1: port: this key is set a second time; expected every key once.\n  1 | port: 1\n  2 | port: 2\n    | ^',
    ],
    [
      'a tab',
      'routing:\n\tstrategy: fill-first\n',
      'config.yaml:2:1: a tab is used for indentation; expected spaces.\n  1 | routing:\n  2 | →strategy: fill-first\n    | ^',
    ],
    [
      'two colons on a line',
      'port: 8317 host: localhost\n',
      'config.yaml:1:7: a second ": " on one line; expected quotes around a value with a colon in it, and each key on its own line.\n  1 | port: 8317 host: localhost\n    |       ^',
    ],
    [
      'a key that is indented too far',
      'port: 8317\n  host: localhost\n',
      'config.yaml:1:7: this key has a value, and a deeper key follows it; expected keys that belong together in the same column.\n  1 | port: 8317\n    |       ^',
    ],
    [
      'a variable in brackets without quotes',
      'api-keys: [${KEY}]\n',
      'config.yaml:1:13: missing , or : between flow sequence items; expected quotes around "${NAME}" inside brackets.\n  1 | api-keys: [${KEY}]\n    |             ^',
    ],
    [
      'an open bracket',
      'api-keys: [\n',
      'config.yaml:2:1: flow sequence in block collection must be sufficiently indented and end with a ]; expected a closing bracket and commas between items.\n  1 | api-keys: [\n  2 |\n    | ^',
    ],
    [
      'an open quote',
      'host: "localhost\nport: 1\n',
      'config.yaml:3:1: a quote is opened and not closed; expected a closing quote.\n  1 | host: "localhost\n  2 | port: 1\n  3 |\n    | ^',
    ],
    [
      'a value that begins with a reserved character',
      'host: @home\n',
      'config.yaml:1:7: a value may not begin with @; expected quotes around the value.\n  1 | host: @home\n    |       ^',
    ],
    [
      'a missing colon',
      'port 8317\n',
      'config.yaml:1:1: found plain text; expected "key: value" lines.\n  1 | port 8317\n    | ^',
    ],
    [
      'a second document',
      'port: 1\n---\nport: 2\n',
      'config.yaml:2:1: a second YAML document begins here; expected one document; remove the "---" line.\n  1 | port: 1\n  2 | ---\n    | ^',
    ],
  ])('%s', (_, text, message) => {
    expect(messageOf(text)).toBe(message);
  });

  test('names a fault inside a channel’s slice', () => {
    const { faults } = refused(() =>
      parse('openai-compatibility:\n  - name: a\n    base-url: https://a.example/v1\n    models: none\n'),
    );
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({
      file: 'config.yaml',
      line: 4,
      column: 13,
      path: 'openai-compatibility[0].models',
      message: 'found "none"',
      expected: 'a list ("- item" lines)',
    });
  });

  test('finds an item below an empty one', () => {
    const { faults } = refused(() => parse('api-keys:\n  -\n  - your-api-key-1\n'));
    expect(faults).toMatchObject([{ line: 3, path: 'api-keys[0]' }]);
  });

  test('collects every fault, in the order of the file', () => {
    const { faults } = refused(() => parse('port: x\ndebug: perhaps\nproxy-url: nowhere\nrouting: 5\n'));
    expect(faults.map(({ line, path }) => [line, path])).toEqual([
      [1, 'port'],
      [2, 'debug'],
      [3, 'proxy-url'],
      [4, 'routing'],
    ]);
  });

  test('names a variable of the environment that cannot be used', () => {
    expect(
      messageOf('{}', { CLIPROXY_PORT: 'high', CLIPROXY_DEBUG: 'maybe', CLIPROXY_ROUTING_STRATEGY: 'x' }),
    ).toBe(
      'environment: CLIPROXY_PORT: found "high"; expected a whole number from 0 to 65535.\n\n' +
        'environment: CLIPROXY_DEBUG: found "maybe"; expected true or false.\n\n' +
        'environment: CLIPROXY_ROUTING_STRATEGY: found "x"; expected round-robin, fill-first, weighted-round-robin or least-loaded.',
    );
  });

  test('keeps rules of a channel’s schema that it does not know itself', () => {
    const odd = channel({
      id: 'odd',
      settings: { odd: Type.Object({ even: Type.Integer({ multipleOf: 2 }) }) },
      open: () => [],
    });
    const { faults } = refused(() => parse('odd:\n  even: 3\n', { channels: [odd] }));
    expect(faults).toMatchObject([{ line: 2, path: 'odd.even', message: 'is not accepted' }]);
  });

  test('never shows a secret, neither in the message nor in the excerpt', () => {
    const canary = 'sk-live-canary0123456789';
    const texts = [
      `api-keys: ${canary}\n`,
      `api-keys:\n  - ${canary}\nport: x\n`,
      `port: ${canary}\n`,
      `claude-api-key:\n  - api-key: pässword1\n    base-url: [x]\n`,
      `remote-management: {secret-key: pässword1, allow-remote: 7}\n`,
      `remote-management:\n  # secret-key: pässword1\n  allow-remote: 7\n`,
      `claude-api-key:\n  - headers:\n      Authorization: pässword1\n      X-Auth: pässword1\n    models: 1\n`,
      `api-keys:\n  - pässword1\n  - "pässword1"\n\tport: 1\n`,
      `proxy-url: http://me:pässword1@host/path\n`,
      `"api-keys": ["pässword1", [1]]\n`,
    ];
    for (const text of texts) {
      const message = messageOf(text);
      expect(message).not.toContain(canary);
      expect(message).not.toContain('pässword1');
    }
  });

  test('stops at nested aliases that would grow without bounds', () => {
    const lines = ['x-a: &a0 [1, 2]'];
    for (let level = 1; level < 30; level++)
      lines.push(`x-${level}: &a${level} [*a${level - 1}, *a${level - 1}]`);
    const rule = 'payload: {override: [{models: [{name: m}], params: {x: *a29}}]}';
    expect(messageOf(`${lines.join('\n')}\n${rule}\n`)).toContain('too many aliases');
  });
});

test.each([
  ['rr', 'round-robin'],
  ['RoundRobin', 'round-robin'],
  ['""', 'round-robin'],
  ['ff', 'fill-first'],
  ['fillfirst', 'fill-first'],
  ['wrr', 'weighted-round-robin'],
  ['ll', 'least-loaded'],
])('the strategy %s is %s, as in the reference', (written, strategy) => {
  const { config, notices } = parse(`routing: {strategy: ${written}}\n`);
  expect([config.routing.strategy, notices]).toEqual([strategy as 'round-robin', []]);
});

describe('what has one meaning only is accepted, with a warning', () => {
  test.each([
    ['port: "8318"\n', 'config.yaml:1: port: the text "8318" was read as a number'],
    ['debug: "true"\n', 'config.yaml:1: debug: "true" was read as true'],
    ['debug: yes\n', 'config.yaml:1: debug: "yes" was read as true'],
    [
      'routing: {strategy: Fill_First}\n',
      'config.yaml:1: routing.strategy: "Fill_First" was read as fill-first',
    ],
    ['"debug ": true\n', 'config.yaml:1: debug: spaces around the key were removed'],
    ['host: " 127.0.0.1\t"\n', 'config.yaml:1: host: spaces around the value were removed'],
    ['api-keys: ["\u00a0sk-a\u200b"]\n', 'config.yaml:1: api-keys[0]: spaces around the value were removed'],
    ['api-keys: [a, a]\n', 'config.yaml:1: api-keys[1]: this key is listed before, ignored'],
    ['api-keys: ["", b]\n', 'config.yaml:1: api-keys[0]: empty key, ignored'],
    ['api-keys:\n  -\n  - b\n', 'config.yaml:2: api-keys: empty item, ignored'],
    [
      'claude-api-key: [{api-key: <your key>}]\n',
      'config.yaml:1: claude-api-key[0].api-key: looks like a placeholder, not like a real secret',
    ],
    ['', 'config.yaml:1: the file is empty; every key has its default'],
  ])('%j', (text, notice) => {
    expect(notices(text)).toEqual([notice]);
  });

  test('the accepted values are the meant ones', () => {
    const { config } = parse(
      '\ufeffport: "8318"\r\ndebug: on\r\n" logging-to-file": true\r\napi-keys:\r\n  - 00123\r\n  - " sk-b "\r\n',
    );
    expect(config).toMatchObject({
      port: 8318,
      debug: true,
      'logging-to-file': true,
      'api-keys': ['00123', 'sk-b'],
    });
  });
});

describe('an unknown key is a warning with the nearest known one', () => {
  test.each([
    ['api_key: [a]\n', 'config.yaml:1: api_key: unknown key, ignored; did you mean api-keys?'],
    ['debgu: true\n', 'config.yaml:1: debgu: unknown key, ignored; did you mean debug?'],
    [
      'secret-key: a\n',
      'config.yaml:1: secret-key: unknown key, ignored; did you mean remote-management.secret-key?',
    ],
    [
      'remote-management: {alowRemote: true}\n',
      'config.yaml:1: remote-management.alowRemote: unknown key, ignored; did you mean allow-remote?',
    ],
    [
      'generative-language-api-key: []\n',
      'config.yaml:1: generative-language-api-key: unknown key, ignored; did you mean gemini-api-key?',
    ],
    ['toString: 1\n', 'config.yaml:1: toString: unknown key, ignored'],
    ['zzzzzz: 1\n', 'config.yaml:1: zzzzzz: unknown key, ignored'],
    ['"a.b c": 1\n', 'config.yaml:1: ["a.b c"]: unknown key, ignored'],
  ])('%j', (text, notice) => {
    expect(notices(text)).toEqual([notice]);
  });

  test('x- keys are a place for anchors and are not warned of', () => {
    expect(notices('x-shared: &s {strategy: fill-first}\nrouting: *s\n')).toEqual([]);
  });
});

describe('keys without effect are told with the reason', () => {
  test.each([
    [
      'claude-header-defaults: {os: Mac}\n',
      'claude-header-defaults: this gateway says who it is and never passes one client off as another',
    ],
    [
      'codex: {identity-confuse: true}\n',
      'codex.identity-confuse: this gateway says who it is and never passes one client off as another',
    ],
    [
      'antigravity: {sensitive-words: [a]}\n',
      'antigravity.sensitive-words: this gateway says who it is and never passes one client off as another',
    ],
    ['pprof: {enable: true}\n', 'pprof: the profiler belongs to the Go runtime'],
    ['request-log: true\n', 'request-log: this version does not act on it yet'],
    [
      'interactions-api-key: [{api-key: AIzaX}]\n',
      'interactions-api-key: the channel it configures is not part of this version yet',
    ],
  ])('%j', (text, notice) => {
    expect(parse(text).notices).toMatchObject([{ kind: 'without-effect', line: 1 }]);
    expect(notices(text)).toEqual([`config.yaml:1: ${notice}`]);
  });

  test('a key that only repeats its default is not worth a word', () => {
    expect(notices('request-log: false\nws-auth: true\n')).toEqual([]);
  });
});

describe('YAML as people write it', () => {
  test('anchors, aliases and merges; what is written beats what is merged', () => {
    const { config } = parse(
      'x-a: &a {strategy: fill-first, session-affinity-ttl: 2h}\nx-b: &b {session-affinity-ttl: 3h}\n' +
        'routing:\n  <<: [*a, *b]\n  session-affinity-ttl: 4h\n',
    );
    expect(config.routing).toMatchObject({ strategy: 'fill-first', 'session-affinity-ttl': '4h' });
  });

  test('a key without a value counts as absent', () => {
    const { config, notices: said } = parse('port:\napi-keys:\nrouting:\nclaude-api-key:\ntls: ~\n');
    expect(config.port).toBe(8317);
    expect(config['api-keys']).toEqual([]);
    expect(config.routing.strategy).toBe('round-robin');
    expect('claude-api-key' in config).toBe(false);
    expect(said).toEqual([]);
  });

  test.each(['', '# nothing\n', '---\n', '{}\n'])('%j is a config of defaults', (text) => {
    expect(parse(text).config.port).toBe(8317);
  });

  test('an empty last document is no second one', () => {
    expect(parse('port: 1\n---\n').config.port).toBe(1);
  });

  test('JSON is YAML', () => {
    expect(parse('{"port": 99, "api-keys": ["sk-json"]}').config['api-keys']).toEqual(['sk-json']);
  });
});

describe('variables in values', () => {
  const environment = { KEY: 'sk-from-environment', PORT: '9000', EMPTY: '', SWITCH: 'true' };

  test('are replaced in text, numbers and switches without a warning', () => {
    const text =
      'port: ${PORT}\ndebug: ${SWITCH}\napi-keys:\n  - ${KEY}\n  - "a-${KEY}-z"\n  - ${EMPTY:-sk-fallback}\n';
    const { config, notices: said } = parse(text, { environment });
    expect(config).toMatchObject({ port: 9000, debug: true });
    expect(config['api-keys']).toEqual(['sk-from-environment', 'a-sk-from-environment-z', 'sk-fallback']);
    expect(said).toEqual([]);
  });

  test('$${ stands for a plain ${, and a dollar alone for itself', () => {
    const { config } = parse('api-keys: ["$${KEY}", "a$b", "$KEY"]\n', { environment });
    expect(config['api-keys']).toEqual(['${KEY}', 'a$b', '$KEY']);
  });

  test('are replaced in values that no schema describes', () => {
    const { config } = parse('payload: {override: [{models: [{name: m}], params: {a.b: ["${KEY}"]}}]}\n', {
      environment,
    });
    expect(config.payload?.override[0]?.params).toEqual({ 'a.b': ['sk-from-environment'] });
  });
});

describe('what holds between keys', () => {
  test('keepalive-seconds is the older name of heartbeat-seconds and wins when set', () => {
    expect(parse('streaming: {keepalive-seconds: 7}\n').config.streaming['heartbeat-seconds']).toBe(7);
    expect(parse('streaming: {heartbeat-seconds: 0}\n').config.streaming['heartbeat-seconds']).toBe(0);
    expect(parse('').config.streaming['heartbeat-seconds']).toBe(15);
  });

  test('a relative certificate is looked for beside the config file', () => {
    const { tls } = parse('tls: {enable: true, cert: cert.pem, key: /etc/key.pem}\n', {
      file: '/etc/gate/config.yaml',
    }).config;
    expect([tls.cert, tls.key]).toEqual(['/etc/gate/cert.pem', '/etc/key.pem']);
  });

  test('a management key that is a client key as well is warned of', () => {
    expect(notices('api-keys: [same]\nremote-management: {secret-key: same}\n')).toEqual([
      'config.yaml:2: remote-management.secret-key: this is a client key as well; every client could change the config',
    ]);
  });
});
