import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Outbox } from '../../src/websocket/outbox.ts';

describe('Outbox', () => {
  it('drops the oldest entry when it is full, and says so', () => {
    const outbox = new Outbox<string>(2);
    expect([outbox.push('a', 1), outbox.push('b', 2), outbox.push('c', 3)]).toEqual([false, false, true]);
    expect([outbox.shift(), outbox.shift(), outbox.shift()]).toEqual([
      { sample: 'b', time: 2 },
      { sample: 'c', time: 3 },
      undefined,
    ]);
  });

  it('says how many it forgot when cleared', () => {
    const outbox = new Outbox<number>(3);
    outbox.push(1, 0);
    outbox.push(2, 0);
    expect(outbox.clear()).toBe(2);
    expect(outbox.size).toBe(0);
  });

  it('does as a plain array does, for any pushes and shifts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.boolean(), { maxLength: 60 }), (most, pushes) => {
        const outbox = new Outbox<number>(most);
        const plain: number[] = [];
        for (const [i, isPush] of pushes.entries()) {
          if (isPush) {
            expect(outbox.push(i, 0)).toBe(plain.length === most);
            if (plain.push(i) > most) plain.shift();
          } else {
            expect(outbox.shift()?.sample).toBe(plain.shift());
          }
          expect(outbox.size).toBe(plain.length);
        }
      }),
    );
  });
});
