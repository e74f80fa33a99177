import { test } from 'bun:test';
import { gateway, ask, directions } from './gateway.ts';
test('dbg', async () => {
  const it = await gateway({ more: 'debug: true\n' });
  for (const d of directions) { const r = await ask(it.program, d, 'Hi'); console.log(d, r.status, (await r.text()).slice(0, 300)); }
  console.log(it.program.output());
  await it.stop();
});
