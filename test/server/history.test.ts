import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { History } from '../../src/server/history.ts';
import { blockOf, JSON_VIEW } from './blocks.ts';

test('history finds the block of a row, from that row on', () => {
  const history = new History(100, 1e6);
  for (const [seq, rows] of [
    [1, 3],
    [4, 1],
    [5, 4],
  ] as const)
    history.add(blockOf(seq, rows));
  expect(history.rows).toBe(8);
  expect(history.newest?.lastSeq).toBe(8);
  for (let seq = 1; seq <= 8; seq++) {
    const block = history.from(seq);
    expect([block?.seq, block?.content.raw[0]]).toEqual([seq, seq]);
    expect(block?.lastSeq).toBe(seq <= 3 ? 3 : seq === 4 ? 4 : 8);
  }
  for (const seq of [0, 9, -1]) expect(history.from(seq)).toBeUndefined();
});

test('history is empty before the first block', () => {
  const history = new History(10, 1e6);
  expect([history.newest, history.from(0), history.from(1), history.rows]).toEqual([
    undefined,
    undefined,
    undefined,
    0,
  ]);
});

describe('history drops the oldest blocks', () => {
  test('beyond its rows', () => {
    const history = new History(4, 1e6);
    for (let seq = 1; seq <= 9; seq += 2) history.add(blockOf(seq, 2));
    expect(history.rows).toBe(4);
    expect([history.from(6), history.from(7)?.seq]).toEqual([undefined, 7]);
  });

  test('beyond its bytes', () => {
    const each = blockOf(1, 2).bytes;
    const history = new History(1e6, 3 * each);
    for (let seq = 1; seq <= 9; seq += 2) history.add(blockOf(seq, 2));
    expect([history.rows, history.from(4), history.from(5)?.seq]).toEqual([6, undefined, 5]);
  });

  test('but keeps the newest, however large: subscribers read from it', () => {
    for (const history of [new History(0, 1e6), new History(1e6, 0)]) {
      for (const seq of [1, 6, 11]) history.add(blockOf(seq, 5));
      expect([history.rows, history.from(10), history.from(12)?.seq]).toEqual([5, undefined, 12]);
    }
  });
});

test('history finds what a list of all rows would find', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 300 }), fc.nat(60), (sizes, maxRows) => {
      const history = new History(maxRows, 1e9);
      let seq = 1;
      for (const rows of sizes) {
        history.add(blockOf(seq, rows));
        seq += rows;
      }
      const kept = keptRows(sizes, maxRows);
      expect(history.rows).toBe(kept);
      for (let row = 0; row <= seq; row++) {
        const known = row < seq && row >= seq - kept && row > 0;
        expect(history.from(row)?.seq).toBe(known ? row : undefined);
      }
    }),
  );
});

test('history keeps shared messages of the newest blocks only, so that views do not multiply its memory', () => {
  const history = new History(1_000, 1e9);
  const blocks = Array.from({ length: 40 }, (_, i) => blockOf(i + 1, 1));
  for (const block of blocks) {
    history.add(block);
    block.encode(JSON_VIEW);
  }
  const holding = blocks.filter((block) => block.encodedBytes > 0);
  expect(holding.length).toBeLessThanOrEqual(17);
  expect(holding.at(-1)).toBe(blocks.at(-1));
  const large = [blockOf(41, 8_000), blockOf(8_041, 8_000)];
  for (const block of large) {
    history.add(block);
    block.encode(JSON_VIEW);
  }
  expect(large.map((block) => block.encodedBytes > 0)).toEqual([false, true]);
});

/** Rows of the newest blocks that fit, the newest always. */
function keptRows(sizes: readonly number[], maxRows: number): number {
  let rows = 0;
  for (const [i, size] of sizes.toReversed().entries()) {
    if (i > 0 && rows + size > maxRows) break;
    rows += size;
  }
  return rows;
}

test('a block of a part of its rows keeps the statistics after the last', () => {
  const block = blockOf(5, 3);
  expect(block.from(7).stats).toEqual(block.stats);
  expect(block.from(1)).toBe(block);
});
