import { expect, test } from 'bun:test';

const program = (body: string) => `
  const { createTelemetry } = await import(${JSON.stringify(new URL('../../src/telemetry/create.ts', import.meta.url).pathname)});
  const telemetry = createTelemetry();
  ${body}
`;

const run = (body: string) =>
  Bun.spawn([process.execPath, '-e', program(body)], { stdout: 'pipe', stderr: 'pipe' });

test('writes JSON lines to a standard output that is no terminal, all of them before an orderly end', async () => {
  const child = run(`
    for (let count = 0; count < 5_000; count++) telemetry.log('info', 'tick', { count, text: 'x'.repeat(200) });
    await telemetry.drained();
    process.exit(0);
  `);
  const lines = (await child.stdout.text()).split('\n').slice(0, -1);
  expect(lines.length).toBe(5_000);
  expect(JSON.parse(lines[4_999] ?? '')).toMatchObject({ event: 'tick', count: 4_999 });
});

test('writes what is left when a program dies', async () => {
  const child = run(`telemetry.log('error', 'dying'); telemetry.flush(); process.exit(1);`);
  expect(await child.stdout.text()).toContain('"event":"dying"');
});

test('outlives the reader of its standard output', async () => {
  const child = run(`
    await Bun.stdin.text();
    telemetry.log('info', 'one');
    await telemetry.drained();
    telemetry.log('info', 'two');
    await telemetry.drained();
    telemetry.flush();
    process.stderr.write('alive');
  `);
  await child.stdout.cancel();
  expect(await child.stderr.text()).toBe('alive');
  expect(await child.exited).toBe(0);
});
