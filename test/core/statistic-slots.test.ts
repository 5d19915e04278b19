import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { MinMax } from '../../src/core/min-max.ts';
import { Rolling } from '../../src/core/rolling.ts';
import type { Statistic } from '../../src/core/statistic.ts';
import { StatisticSlots } from '../../src/core/statistic-slots.ts';

const WIDTH = 3;

interface Kind {
  create(): Statistic;
  from(state: unknown): Statistic;
  /** Bytes of a slot: version, what is alike, what each feature has. */
  bytes: number;
}

const KINDS: [string, Kind][] = [
  ['Ewma', { create: () => new Ewma({ features: WIDTH, alpha: 0.1 }), from: Ewma.from, bytes: 8 * (4 + 3 * WIDTH) }],
  [
    'Ewma by time',
    { create: () => new Ewma({ features: WIDTH, halfLife: '1s' }), from: Ewma.from, bytes: 8 * (5 + 3 * WIDTH) },
  ],
  [
    'Cumulative',
    { create: () => new Cumulative({ features: WIDTH }), from: Cumulative.from, bytes: 8 * (2 + 3 * WIDTH) },
  ],
  ['MinMax', { create: () => new MinMax({ features: WIDTH }), from: MinMax.from, bytes: 8 * (2 + 2 * WIDTH) }],
  ['Rolling', { create: () => new Rolling({ features: WIDTH, last: 3 }), from: Rolling.from, bytes: 0 }],
];

type Step = ['learn', number, (number | null)[], number] | ['close', number] | ['restore', number, number];

const x = fc.oneof(fc.double({ min: -1e9, max: 1e9, noNaN: true }), fc.constantFrom(null, Number.NaN, -0, 1e300));
const slot = fc.nat({ max: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constant('learn' as const), slot, fc.array(x, { minLength: WIDTH, maxLength: WIDTH }), fc.nat()),
  fc.tuple(fc.constant('close' as const), slot),
  fc.tuple(fc.constant('restore' as const), slot, slot),
);

describe.each(KINDS)('%s', (_, { create, from, bytes }) => {
  test('every slot is a statistic of its own, bit for bit, however they are used in turn', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const slots = new StatisticSlots(create);
        const alone = new Map<number, Statistic>();
        const open = (at: number) => {
          if (alone.has(at)) return;
          slots.open(at);
          alone.set(at, create());
        };
        for (const each of steps) {
          if (each[0] === 'learn') {
            const [, at, row, time] = each;
            open(at);
            slots.take(at).update(row as number[], time);
            slots.give(at);
            alone.get(at)?.update(row as number[], time);
          } else if (each[0] === 'restore') {
            const [, source, target] = each;
            open(source);
            const saved = JSON.stringify(slots.take(source).state());
            if (alone.has(target)) slots.close(target);
            slots.put(target, from(JSON.parse(saved)));
            alone.set(target, from(JSON.parse(saved)));
          } else if (alone.delete(each[1])) {
            slots.close(each[1]);
          }
          for (const [at, statistic] of alone) {
            const { mean, variance, count, version } = slots.take(at);
            expect({ mean, variance, count, version, state: slots.take(at).state() }).toEqual({
              mean: statistic.mean,
              variance: statistic.variance,
              count: statistic.count,
              version: statistic.version,
              state: statistic.state(),
            });
          }
        }
      }),
    );
  });

  test('a slot takes the bytes it says', () => expect(new StatisticSlots(create).recordBytes).toBe(bytes));
});

test('a state of other options is kept with its options', () => {
  const slots = new StatisticSlots(() => new Ewma({ features: 1, alpha: 0.1 }));
  const other = new Ewma({ features: 1, alpha: 0.5 });
  other.update([1]);
  slots.put(0, Ewma.from(other.state()));
  slots.open(1);
  slots.take(0).update([4]);
  slots.give(0);
  other.update([4]);
  expect(slots.take(0).state()).toEqual(other.state());
  expect(slots.take(1).state()).toMatchObject({ alpha: 0.1, count: [0] });
});
