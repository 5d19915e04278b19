import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FLAG } from '../../src/core/flags.ts';
import { createNormalizer } from '../../src/core/methods.ts';
import { ProducerGuard, type ProducerGuardOptions } from '../../src/core/producer-guard.ts';
import { keepingOut } from '../../src/core/quarantine-normalizer.ts';

const OPTIONS = { maxZ: 10, minSamples: 2, releaseRows: 5, releaseMs: 1_000, maxProducers: 100 };
const AT_ZERO = { rows: 100, mean: [0], std: [1] };

/** A guard of one feature; `said` is a row of a producer, and whether it is let through. */
function scene(options: Partial<ProducerGuardOptions> = {}, reference = AT_ZERO) {
  const guard = new ProducerGuard({ ...OPTIONS, ...options });
  const flags = new Uint16Array(1);
  return (producer: string, x: number, nowMs: number) =>
    guard.judge(producer, Float64Array.of(x), 1, reference, nowMs, flags) === 0;
}

describe('ProducerGuard', () => {
  test('flags the rows that are more than maxZ standard deviations from the mean, and counts them', () => {
    const guard = new ProducerGuard(OPTIONS);
    const flags = new Uint16Array(4).fill(9);
    const reference = { rows: 2, mean: [100, 0], std: [2, 1] };
    const data = Float64Array.of(120, 0, 120.1, 0, 100, -11, Number.NaN, Number.POSITIVE_INFINITY);
    expect(guard.judge('p', data, 4, reference, 0, flags)).toBe(2);
    expect(Array.from(flags)).toEqual([0, FLAG.range, FLAG.range, 0]);
  });

  test('judges nothing before minSamples rows, nor a feature that has no spread or no statistics', () => {
    expect(scene({}, { rows: 1, mean: [0], std: [1] })('p', 1e9, 0)).toBe(true);
    expect(scene({}, { rows: 9, mean: [0], std: [0] })('p', 1e9, 0)).toBe(true);
    const guard = new ProducerGuard(OPTIONS);
    expect(guard.judge('p', Float64Array.of(9), 1, { rows: 9, mean: [null], std: [null] }, 0, new Uint16Array(1))).toBe(
      0,
    );
  });

  test('a mad producer among others is never believed, however long it goes on and however much it sends', () => {
    const say = scene();
    for (let ms = 0; ms < 20_000; ms += 100) {
      expect(say('sane', 1, ms)).toBe(true);
      for (let i = 0; i < 10; i++) expect(say('mad', 1e6, ms)).toBe(false);
    }
  });

  test('two of four are not more than half, three are', () => {
    const say = scene();
    const round = (ms: number, moved: string) =>
      Array.from('abcd', (name) => say(name, moved.includes(name) ? 100 : 0, ms));
    for (let ms = 0; ms < 5_000; ms += 100) expect(round(ms, 'ab')).toEqual([false, false, true, true]);
    for (let ms = 5_000; ms < 6_000; ms += 100) expect(round(ms, 'abc')).toEqual([false, false, false, true]);
    expect(round(6_000, 'abc')).toEqual([false, false, true, true]);
    // and the one that stays behind is near, as it is where the statistics still are
    expect(round(6_100, 'abc')).toEqual([true, true, true, true]);
  });

  test('many that are mad each in a way of its own move nothing', () => {
    const say = scene();
    for (let ms = 0; ms < 10_000; ms += 100) {
      expect(say('a', 1e6, ms)).toBe(false);
      expect(say('b', -1e6, ms)).toBe(false);
      expect(say('c', 0, ms)).toBe(true);
    }
  });

  test('when all have shifted, one that is mad beyond that stays out', () => {
    const say = scene();
    for (let ms = 0; ms < 3_000; ms += 100) {
      const after = ms >= 1_100;
      expect([say('a', 100, ms), say('b', 101, ms)].every(Boolean), String(ms)).toBe(after);
      expect(say('mad', 1e6, ms)).toBe(false);
    }
  });

  test('one that is alone is believed after releaseRows rows and releaseMs, and at another scale too', () => {
    const say = scene();
    const passed = Array.from({ length: 30 }, (_, i) => say('p', i % 2 === 0 ? 1e6 : -1e6, i * 100));
    expect(passed.indexOf(true)).toBe(10);
    expect(passed.slice(10).every(Boolean)).toBe(true);
    const quick = scene();
    const soon = Array.from({ length: 1_000 }, (_, i) => quick('p', 50, i / 10));
    expect(soon.some(Boolean)).toBe(false);
  });

  test('a row that is near ends a shift', () => {
    const say = scene();
    for (let i = 0; i < 200; i++) expect(say('p', i % 8 === 7 ? 0 : 1e6, i * 100)).toBe(i % 8 === 7);
  });

  test('who has been silent for releaseMs has no say', () => {
    const say = scene();
    say('gone', 0, 0);
    const passed = Array.from({ length: 30 }, (_, i) => say('p', 100, 500 + i * 100));
    expect(passed.indexOf(true)).toBe(10);
    // back, it has one again: one of two
    expect(say('gone', 0, 3_500)).toBe(true);
    expect(say('p', 100, 3_600)).toBe(false);
  });

  test('of more than maxProducers the longest silent is forgotten', () => {
    const say = scene({ maxProducers: 2 });
    for (let ms = 0; ms < 2_000; ms += 100) say('p', 100, ms);
    expect(say('p', 100, 2_000)).toBe(true);
    say('q', 0, 2_000);
    say('r', 0, 2_000);
    expect(say('p', 100, 2_100)).toBe(false);
  });

  test.each([
    ['cumulative', {}],
    ['ewma', { alpha: 0.1 }],
    ['rolling', { last: 20 }],
    ['robust', {}],
    ['batch', { size: 8 }],
  ] as const)(
    '%s: beside a mad producer the statistics are, bit for bit, those of a run without its rows',
    (method, options) => {
      // in pairs around 0, so that the spread never vanishes
      const value = fc.double({ min: 1, max: 3, noNaN: true }).map((v) => [v, -v]);
      const turn = fc.record({
        from: fc.constantFrom('a', 'b', 'c', 'mad'),
        x: fc.array(value, { minLength: 1, maxLength: 2 }).map((pairs) => pairs.flat()),
      });
      fc.assert(
        fc.property(fc.array(turn, { maxLength: 30 }), (turns) => {
          const guard = new ProducerGuard({ ...OPTIONS, maxZ: 50, minSamples: 20 });
          const guarded = keepingOut(createNormalizer(method, ['x'], options));
          const offline = createNormalizer(method, ['x'], options);
          const push = (x: number[], keptOut?: Uint16Array) => {
            const arrival = { elapsedMs: 0, nowMs: 0, ...(keptOut && { keptOut }) };
            return guarded.push(Float64Array.from(x), x.length, new Float64Array(x.length), arrival);
          };
          const [both, alone] = [[] as number[], [] as number[]];
          const warm = Array.from({ length: 24 }, (_, i) => Math.sin(i) + i / 24);
          push(warm);
          offline.push(Float64Array.from(warm), warm.length, new Float64Array(warm.length));
          // where no other is heard, a mad one would be believed
          const heard = turns.flatMap((each) => [{ from: 'a', x: [1, -1] }, each]);
          heard.forEach(({ from, x }, i) => {
            const sent = from === 'mad' ? x.map((each) => each * 1e6) : x;
            const flags = new Uint16Array(x.length);
            const out = guard.judge(from, Float64Array.from(sent), x.length, guarded.report(), i * 500, flags);
            expect(out).toBe(from === 'mad' ? x.length : 0);
            const rows = push(sent, flags);
            rows?.flags.forEach((bits, row) => {
              if ((bits & FLAG.quarantined) === 0) both.push(rows.z[row]);
              else expect([bits, rows.z[row]]).toEqual([FLAG.quarantined | FLAG.range, Number.NaN]);
            });
            if (from === 'mad') return;
            const z = offline.push(Float64Array.from(x), x.length, new Float64Array(x.length))?.z ?? [];
            alone.push(...z);
          });
          expect(guarded.state()).toEqual(offline.state());
          expect(both).toEqual(alone);
        }),
      );
    },
  );
});

test('who sends no value of a feature says nothing of it', () => {
  const guard = new ProducerGuard(OPTIONS);
  const reference = { rows: 100, mean: [0, 1_000], std: [1, 1] };
  const say = (producer: string, nowMs: number, ...row: [number, number]) =>
    guard.judge(producer, Float64Array.from(row), 1, reference, nowMs, new Uint16Array(1)) === 0;
  const round = (ms: number) => [
    say('a', ms, 100, Number.NaN),
    say('b', ms, 100, Number.NaN),
    say('c', ms, 100, 1_000),
  ];
  for (let ms = 0; ms < 5_000; ms += 100) round(ms);
  expect(round(5_000)).toEqual([true, true, true]);
});
