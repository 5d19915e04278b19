import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { FanOut } from '../../src/server/fan-out.ts';
import { serve, subscribe } from './clients.ts';

test('what is announced in one turn is told once, when the turn is over and before the next begins', async () => {
  const fanOut = new FanOut();
  let told = 0;
  fanOut.add({ pump: () => told++ });
  fanOut.announce();
  fanOut.announce();
  expect(told).toBe(0);
  await setImmediate();
  expect(told).toBe(1);
  fanOut.announce();
  await setImmediate();
  expect(told).toBe(2);
});

test('a turn that takes long does not keep back what was announced at its beginning', () => {
  const fanOut = new FanOut();
  let told = 0;
  fanOut.add({ pump: () => told++ });
  const start = performance.now();
  // ends when it is told, or never if that needs the turn to be over
  while (told === 0 && performance.now() - start < 5_000) fanOut.announce();
  expect(told).toBe(1);
});

test('what is announced by a reader that is being told is told to all once more', async () => {
  const fanOut = new FanOut();
  const order: string[] = [];
  fanOut.add({ pump: () => order.push('a') });
  fanOut.add({
    pump: () => {
      order.push('b');
      if (order.length === 2) fanOut.announce();
    },
  });
  fanOut.announce();
  await setImmediate();
  expect(order).toEqual(['a', 'b', 'a', 'b']);
});

test('rows that came in one turn all go out, however short the history is', async () => {
  const server = await serve({ channels: { c: { features: ['x'], method: 'cumulative', history: 1 } } });
  const { client } = await subscribe(server, 'c');
  for (let i = 0; i < 20; i++) server.channel('c').push([i]);
  for (let seq = 1; seq <= 20; seq++) {
    const message = await client.next();
    expect(message).toMatchObject({ type: 'next', seq });
    expect(message).not.toHaveProperty('skipped');
  }
});
