import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReorderBuffer, type Sequenced } from '../../src/websocket/reorder-buffer.ts';
import { SequenceTracker } from '../../src/websocket/sequence-tracker.ts';

/** What comes out for numbers, in short: 3 in its turn, 3* sorted, gap 4-6, dup 3, late 4, reset 1. */
function run(maxHeld: number, seqs: readonly number[], memory?: number): string {
  const buffer = new ReorderBuffer<number>(maxHeld, memory);
  return [...seqs.flatMap((seq) => buffer.push(seq, seq)), ...buffer.expire()].map(short).join(' ');
}

function short(one: Sequenced<number>): string {
  switch (one.type) {
    case 'item':
      return `${one.item}${one.sorted ? '*' : ''}`;
    case 'gap':
      return `gap ${one.from}-${one.to}`;
    case 'duplicate':
      return `dup ${one.seq}`;
    default:
      return `${one.type} ${one.seq}`;
  }
}

describe('ReorderBuffer', () => {
  it.each<[string, number, number[], string]>([
    ['hands on what is in order, from whatever number', 0, [7, 8, 9], '7 8 9'],
    ['tells a gap at once where nothing may wait', 0, [1, 2, 5, 6], '1 2 gap 3-4 5 6'],
    ['leaves out duplicates', 0, [1, 2, 2, 1, 3], '1 2 dup 2 dup 1 3'],
    ['sorts within its window', 2, [1, 3, 4, 2, 5], '1 2 3* 4* 5'],
    ['leaves out duplicates of what waits', 2, [1, 3, 3, 2], '1 dup 3 2 3*'],
    ['gives up when more would have to wait', 2, [1, 3, 4, 5, 6], '1 gap 2-2 3 4* 5* 6'],
    ['calls late what was given up', 0, [1, 3, 2, 2, 4], '1 gap 2-2 3 late 2 dup 2 4'],
    ['calls reset a number far back', 0, [5000, 5001, 2000, 2001], '5000 5001 reset 2000 2000 2001'],
    ['calls reset a 1 well behind the newest', 0, [30, 31, 1, 2], '30 31 reset 1 1 2'],
    ['calls duplicate a 1 right behind the newest', 0, [1, 2, 3, 1, 4], '1 2 3 dup 1 4'],
    ['hands on what waits before a reset', 3, [40, 42, 0, 1], '40 gap 41-41 42 reset 0 0 1'],
  ])('%s', (_, maxHeld, seqs, expected) => {
    expect(run(maxHeld, seqs)).toBe(expected);
  });

  it('begins anew after restart, with whatever number', () => {
    const buffer = new ReorderBuffer<number>(2);
    buffer.push(10, 10);
    buffer.push(12, 12);
    expect(buffer.restart().map(short)).toEqual(['gap 11-11', '12']);
    expect(buffer.push(3, 3).map(short)).toEqual(['3']);
  });

  it('never holds more than it may, and accounts for every number once: property', () => {
    const disorder = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 80 });
    fc.assert(
      fc.property(fc.nat(6), disorder, (maxHeld, jumps) => {
        // numbers from 100 on, so that none of them looks like a new count
        const seqs = jumps.map((jump, i) => 100 + Math.max(0, i + (jump % 9) - 4));
        const buffer = new ReorderBuffer<number>(maxHeld);
        const out: Sequenced<number>[] = [];
        for (const seq of seqs) {
          out.push(...buffer.push(seq, seq));
          expect(buffer.held).toBeLessThanOrEqual(maxHeld);
        }
        out.push(...buffer.expire());
        oracle(seqs, out);
      }),
    );
  });

  it('with room enough sorts every disorder that comes within it, without a gap: property', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(7), { maxLength: 60 }), (keys) => {
        const seqs = keys.map((_, i) => i + 100).sort((a, b) => a + keys[a - 100]! - (b + keys[b - 100]!));
        // the first number that comes is the first of the count: keep it so
        const ordered = [99, ...seqs];
        const buffer = new ReorderBuffer<number>(8);
        const out = ordered.flatMap((seq) => buffer.push(seq, seq));
        expect(out.map((one) => (one.type === 'item' ? one.item : one.type))).toEqual([
          99,
          ...keys.map((_, i) => i + 100),
        ]);
      }),
    );
  });
});

/** Every number that went in came out once; what came out in turn ascends; gaps are just what is between. */
function oracle(seqs: readonly number[], out: readonly Sequenced<number>[]): void {
  const handed = out.flatMap((one) => (one.type === 'item' || one.type === 'late' ? [one.item] : []));
  const first = seqs[0];
  const expected = new Set(seqs.filter((seq) => seq >= (first as number)));
  expect(new Set(handed)).toEqual(expected);
  expect(handed).toHaveLength(expected.size);
  expect(out.filter(({ type }) => type === 'duplicate')).toHaveLength(seqs.length - expected.size);
  let next = first as number;
  for (const one of out) {
    if (one.type === 'gap') {
      expect(one.from).toBe(next);
      expect(one.to).toBeGreaterThanOrEqual(one.from);
      next = one.to + 1;
    } else if (one.type === 'item') {
      expect(one.item).toBe(next++);
    }
  }
}

describe('SequenceTracker', () => {
  it('forgets what is further back than its memory', () => {
    const tracker = new SequenceTracker(10);
    for (const seq of [100, 105, 120]) tracker.take(seq);
    expect([tracker.place(112), tracker.place(110)]).toEqual(['late', 'reset']);
    expect([tracker.place(120), tracker.place(121), tracker.place(122)]).toEqual(['duplicate', 'next', 'ahead']);
  });
});
