import { expect } from 'vitest';
import { brokerOf } from '../../src/nats/broker.ts';
import { Leases } from '../../src/nats/leases.ts';
import { testBroker, withBroker } from './with-broker.ts';

const options = { prefix: 'streamnorm', spanMs: 500, replicas: 1 };

withBroker('what is not renewed ends by itself, and somebody else can have it', async () => {
  const { connection } = await testBroker();
  const broker = await brokerOf(connection);
  const [one, two] = [
    await Leases.open(broker, { ...options, worker: 'one' }),
    await Leases.open(broker, { ...options, worker: 'two' }),
  ];
  await one.beHere();
  expect(await one.take('ticks.0')).toBe(true);
  expect(await two.take('ticks.0')).toBe(false);
  expect(await two.workers()).toEqual(['one']);
  expect(await two.ownerOf('ticks.0')).toBe('one');
  await expect.poll(() => two.take('ticks.0'), { timeout: 10_000 }).toBe(true);
  expect(await two.workers()).toEqual([]);
  // who had it finds out
  expect(await one.renew('ticks.0')).toBe(false);
  expect([...one.held]).toEqual([]);
});

withBroker('giving back removes what one has written oneself, and nothing of others', async () => {
  const { connection } = await testBroker();
  const broker = await brokerOf(connection);
  const [one, two] = [
    await Leases.open(broker, { ...options, spanMs: 2_000, worker: 'one' }),
    await Leases.open(broker, { ...options, spanMs: 2_000, worker: 'two' }),
  ];
  await one.take('ticks.0');
  await one.giveBack('ticks.0');
  expect(await two.take('ticks.0')).toBe(true);
  await one.giveBack('ticks.0');
  expect(await two.renew('ticks.0')).toBe(true);
});
