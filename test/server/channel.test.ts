import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import type { Block } from '../../src/server/block.ts';
import { Channel } from '../../src/server/channel.ts';
import type { Checkpoint } from '../../src/server/checkpoint.ts';
import { parseConfig, type ServerConfigInput } from '../../src/server/config.ts';
import { type Push, readJsonPush } from '../../src/server/push.ts';
import { Arrivals } from '../websocket/arrivals.ts';
import { rowsOf } from './clients.ts';

type Given = ServerConfigInput['channels'][string];

function channelOf(given: Given, saved?: Checkpoint, saveNow: ((checkpoint: Checkpoint) => void) | null = null) {
  const { channels, limits } = parseConfig({ channels: { c: given }, limits: { maxProducers: 3 } });
  const channel = new Channel('c', channels.get('c')!, limits, saved, saveNow);
  const blocks = new Arrivals<Block>();
  let completed = false;
  channel.listen({
    next: (block) => blocks.add(block),
    complete: () => {
      completed = true;
    },
  });
  onTestFinished(() => channel.close());
  return { channel, blocks, completed: () => completed };
}

function pushOf(message: unknown, features = ['x']): Push {
  return readJsonPush(JSON.stringify(message), { features, time: undefined, maxRows: 1e6 }, 1_000);
}

const column = (from: number, count: number) => Array.from({ length: count }, (_, i) => [from + i]);

test('a channel numbers rows as they leave: at once, or when their window closes', async () => {
  const once = channelOf({ features: ['x'], method: 'cumulative' });
  once.channel.push(pushOf(column(1, 3)));
  once.channel.push(pushOf([4]));
  expect((await once.blocks.take(2)).map(({ seq, rows }) => [seq, rows])).toEqual([
    [1, 3],
    [4, 1],
  ]);
  const windows = channelOf({ features: ['x'], size: 4 });
  for (const rows of [column(1, 3), column(4, 2), column(6, 8)]) windows.channel.push(pushOf(rows));
  expect((await windows.blocks.take(2)).map(({ seq, rows }) => [seq, rows])).toEqual([
    [1, 4],
    [5, 8],
  ]);
  expect([windows.channel.seq, windows.channel.pending]).toEqual([12, 1]);
});

test('the numbers of a channel are those of BatchNorm over the same windows', async () => {
  const features = ['a', 'b', 'c'];
  const rows = rowsOf(64, 3);
  const { channel, blocks } = channelOf({ features, size: 16, alpha: 0.3 });
  for (let at = 0; at < 64; at += 7) channel.push(pushOf(rows.slice(at, at + 7), features));
  const model = new BatchNorm({ features, alpha: 0.3 });
  for (let at = 0; at < 64; at += 16) {
    const { content } = await blocks.next();
    expect(Array.from(content.z)).toEqual(model.train(rows.slice(at, at + 16)).flat());
    expect(Array.from(content.raw)).toEqual(rows.slice(at, at + 16).flat());
  }
  expect(channel.state()).toEqual(model.state());
});

test('the statistics of a block are those after its last row, whatever has come since', async () => {
  for (const given of [
    { features: ['x'], size: 2 },
    { features: ['x'], method: 'cumulative' },
  ] as Given[]) {
    const { channel, blocks } = channelOf(given);
    channel.push(pushOf(column(1, 2)));
    const then = channel.report();
    channel.push(pushOf(column(100, 4)));
    expect((await blocks.next()).stats).toEqual(then);
    expect((await blocks.next()).stats).toEqual(channel.report());
    expect(channel.report().mean).not.toEqual(then.mean);
  }
});

describe('a push with producer and seq', () => {
  const x = [[1]];

  test('is applied once', async () => {
    const { channel } = channelOf({ features: ['x'], method: 'cumulative' });
    const push = (producer: string, seq: number) => channel.push(pushOf({ type: 'push', producer, seq, x }));
    expect([push('p', 1), push('p', 1), push('q', 1), push('p', 3), push('p', 2), push('p', 3)]).toEqual([
      ...[true, false, true, true, false, false],
    ]);
    expect([channel.seq, channel.counters.duplicates, channel.counters.rows]).toEqual([3, 3, 3]);
  });

  test('may have any name', () => {
    const { channel } = channelOf({ features: ['x'], method: 'cumulative' });
    for (const producer of ['__proto__', 'constructor', '', 'toString']) {
      const push = () => channel.push(pushOf({ type: 'push', producer, seq: 5, x }));
      expect([push(), push()]).toEqual([true, false]);
    }
    expect(({} as { seq?: unknown }).seq).toBeUndefined();
  });

  test('is remembered for so many producers; the one longest silent is forgotten', () => {
    const { channel } = channelOf({ features: ['x'], method: 'cumulative' });
    const push = (producer: string, seq: number) => channel.push(pushOf({ type: 'push', producer, seq, x }));
    for (const producer of ['a', 'b', 'c']) push(producer, 1);
    push('a', 2);
    push('d', 1);
    expect(push('a', 2)).toBe(false);
    expect(push('b', 1)).toBe(true);
  });

  test('without producer, or without seq, is always applied', () => {
    const { channel } = channelOf({ features: ['x'], method: 'cumulative' });
    for (const push of [{ producer: 'p' }, { seq: 1 }]) {
      for (let n = 0; n < 2; n++) expect(channel.push(pushOf({ type: 'push', ...push, x }))).toBe(true);
    }
    expect(channel.seq).toBe(4);
  });
});

describe('within', () => {
  test('closes a window that does not fill', async () => {
    const { channel, blocks } = channelOf({ features: ['x'], size: 100, within: 20 });
    channel.push(pushOf(column(1, 3)));
    expect(blocks.left).toBe(0);
    const block = await blocks.next();
    expect([block.seq, block.rows, channel.pending]).toEqual([1, 3, 0]);
    channel.push(pushOf(column(4, 2)));
    expect((await blocks.next()).seq).toBe(4);
  });

  test('counts from the first row of a window, not from the first of the window before', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const { channel, blocks } = channelOf({ features: ['x'], size: 4, within: 1_000 });
    channel.push(pushOf(column(1, 3)));
    vi.advanceTimersByTime(900);
    channel.push(pushOf(column(4, 3)));
    expect(blocks.left).toBe(1);
    vi.advanceTimersByTime(900);
    expect([blocks.left, channel.pending]).toEqual([1, 2]);
    vi.advanceTimersByTime(100);
    expect([blocks.left, channel.pending]).toEqual([2, 0]);
    vi.advanceTimersByTime(10_000);
    expect([blocks.left, vi.getTimerCount()]).toEqual([2, 0]);
  });

  test('holds for the window that a restart brings back', async () => {
    const first = channelOf({ features: ['x'], size: 100, within: '1h' });
    first.channel.push(pushOf(column(1, 3)));
    const { channel, blocks } = channelOf({ features: ['x'], size: 100, within: 20 }, first.channel.checkpoint());
    channel.start();
    expect((await blocks.next()).rows).toBe(3);
  });
});

test('a channel that drains closes its window, takes no more, and completes', async () => {
  const { channel, blocks, completed } = channelOf({ features: ['x'], size: 100 });
  channel.push(pushOf(column(1, 3)));
  channel.drain();
  expect((await blocks.next()).rows).toBe(3);
  expect(() => channel.push(pushOf([4]))).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
  expect([channel.seq, channel.counters.rows, completed()]).toEqual([3, 3, false]);
  channel.close();
  expect(completed()).toBe(true);
});

describe('a channel that goes on from a checkpoint', () => {
  const given: Given[] = [
    { features: ['x'], size: 4, alpha: 0.25, weight: [2], bias: [1], clip: 1.2 },
    { features: ['x'], size: 4, cumulative: true },
    { features: ['x'], method: 'ewma', halfLife: 3, clip: 2, order: 'learn-then-score' },
    { features: ['x'], method: 'ewma', halfLife: '5ms' },
    { features: ['x'], method: 'cumulative', eps: 0 },
    { features: ['x'], method: 'rolling', last: 5 },
    { features: ['x'], method: 'rolling', last: '5ms', clip: 1 },
    { features: ['x'], method: 'minmax' },
    { features: ['x'], method: 'robust', order: 'learn-then-score' },
    { features: ['x'], method: 'frozen', mean: [3], std: [2] },
  ];

  test.each(given.map((config) => [JSON.stringify(config), config] as const))(
    '%s gives bit for bit what it had given without stopping',
    async (_, config) => {
      const rows = [...rowsOf(30, 1).flat(), null, '1e309', ...rowsOf(31, 1, 50).flat()];
      const push = (channel: Channel, x: unknown, i: number) =>
        channel.push(
          readJsonPush(
            `{"type":"push","producer":"p","seq":${i},"t":${i},"x":[${x}]}`,
            {
              ...{ features: ['x'], time: undefined, maxRows: 10 },
            },
            0,
          ),
        );
      for (const stop of [0, 1, 30, 31, 32, 33, 61]) {
        const whole = channelOf(config);
        const before = channelOf(config);
        for (const [i, x] of rows.entries()) push(whole.channel, x, i);
        for (const [i, x] of rows.slice(0, stop).entries()) push(before.channel, x, i);
        const saved = JSON.parse(JSON.stringify({ ...before.channel.checkpoint(), seqLimit: before.channel.seq }));
        const after = channelOf(config, saved);
        expect([after.channel.epoch, after.channel.seq]).toEqual([before.channel.epoch, before.channel.seq]);
        for (const [i, x] of rows.entries()) expect(push(after.channel, x, i)).toBe(i >= stop);
        const outputs = async ({ blocks }: ReturnType<typeof channelOf>) =>
          (await blocks.take(blocks.left)).flatMap(({ content: { z, raw, flags, times } }) =>
            Array.from(z, (value, i) => [value, raw[i], flags[i], times[i]]),
          );
        expect([...(await outputs(before)), ...(await outputs(after))]).toEqual(await outputs(whole));
        expect(after.channel.state()).toEqual(whole.channel.state());
        expect([after.channel.seq, after.channel.pending]).toEqual([whole.channel.seq, whole.channel.pending]);
      }
    },
  );

  const numbers = (state: object) => {
    const { runningMean, runningVar, batches, samples } = state as ReturnType<BatchNorm['state']>;
    return { runningMean, runningVar, batches, samples };
  };

  test('keeps its numbers under the options of now', () => {
    const first = channelOf({ features: ['x'], size: 4, alpha: 0.5, clip: 1 });
    first.channel.push(pushOf(column(1, 8)));
    const saved = first.channel.checkpoint();
    const { channel } = channelOf({ features: ['x'], size: 4, retain: 0.75, eps: 0.1, weight: [3] }, saved);
    expect(numbers(channel.state())).toEqual(numbers(first.channel.state()));
    expect(channel.state()).toMatchObject({ alpha: 0.25, eps: 0.1, weight: [3] });
    expect(channel.state()).not.toHaveProperty('clip');
  });

  test('refuses a window that is larger than those of now', () => {
    const first = channelOf({ features: ['x'], size: 100 });
    first.channel.push(pushOf(column(1, 50)));
    expect(() => channelOf({ features: ['x'], size: 10 }, first.channel.checkpoint())).toThrow(
      expect.objectContaining({ code: 'STATE', message: 'the saved open window does not fit: 50 rows of 10' }),
    );
  });

  test('refuses debias under another rate, which it could not take out', () => {
    const first = channelOf({ features: ['x'], size: 4, alpha: 0.5, debias: true });
    first.channel.push(pushOf(column(1, 8)));
    const saved = first.channel.checkpoint();
    expect(() => channelOf({ features: ['x'], size: 4, alpha: 0.1, debias: true }, saved)).toThrow(
      expect.objectContaining({ code: 'STATE' }),
    );
    expect(() => channelOf({ features: ['x'], size: 4, alpha: 0.5, debias: true }, saved)).not.toThrow();
  });
});

describe('row numbers', () => {
  test('go on at seqLimit after a crash, since any number before it may have been sent', async () => {
    const first = channelOf({ features: ['x'], method: 'cumulative' });
    first.channel.push(pushOf(column(1, 5)));
    const saved = first.channel.checkpoint();
    expect([saved.seq, saved.seqLimit]).toEqual([5, 10_005]);
    const { channel, blocks } = channelOf({ features: ['x'], method: 'cumulative' }, saved);
    channel.push(pushOf([6]));
    expect((await blocks.next()).seq).toBe(10_006);
    expect([channel.epoch, channel.restoredSeq, channel.startSeq]).toEqual([saved.epoch, 5, 10_005]);
  });

  test('are on disk before they are sent', () => {
    const saved: Checkpoint[] = [];
    let sent = 0;
    const { channel } = channelOf({ features: ['x'], method: 'cumulative' }, undefined, (checkpoint) => {
      expect(checkpoint.seqLimit).toBeGreaterThanOrEqual(channel.seq);
      expect(sent).toBeLessThan(channel.seq);
      saved.push(checkpoint);
    });
    channel.listen({
      next: (block) => {
        sent = block.lastSeq;
        expect(saved.at(-1)!.seqLimit).toBeGreaterThanOrEqual(sent);
      },
      complete: () => {},
    });
    for (let n = 0; n < 100; n++) channel.push(pushOf(column(1, 3_000)));
    // reserves grow with the rate, so that a fast channel does not wait for the disk at every turn
    expect(saved.length).toBeLessThan(6);
  });

  test('that an interval kept free are used without another write', () => {
    let writes = 0;
    const { channel } = channelOf({ features: ['x'], method: 'cumulative' }, undefined, () => writes++);
    channel.saved(channel.checkpoint());
    channel.push(pushOf(column(1, 10_000)));
    expect(writes).toBe(0);
    channel.push(pushOf([1]));
    expect(writes).toBe(1);
  });
});
