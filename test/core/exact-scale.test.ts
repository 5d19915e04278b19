import { of } from 'rxjs';
import { expect, test } from 'vitest';
import { createNormalizer } from '../../src/core/methods.ts';
import { Standardizer } from '../../src/core/standardizer.ts';
import { Frozen, MinMax, MovingBatch, minMax, normalize, Robust, robust } from '../../src/index.ts';
import { collected } from '../support/collected.ts';

test('minMax and robust add no eps unless it is given', () => {
  expect(collected(of(0, 1, 1).pipe(normalize(minMax())))[2]).toBe(1);
  expect(collected(of(0, 1, 1).pipe(normalize(robust())))[2]).toBe(1);
  expect(collected(of(0, 1, 1).pipe(normalize(minMax(), { eps: 3 })))[2]).toBe(0.5);
});

test('a range of a few ulp is no constant, a range of 0 is', () => {
  const z = collected(of(1e9, 1e9 + 2 ** -22, 1e9 + 2 ** -23, 1e9).pipe(normalize(minMax())));
  expect(z.slice(2)).toEqual([0.5, 0]);
  const details = collected(of(7, 7, 8).pipe(normalize(minMax(), { detail: true })));
  expect([details[2].value, details[2].flags]).toEqual([0, ['constant']]);
});

test.each([
  ['MinMax', new MinMax({ features: 1 })],
  ['Robust', new Robust({ features: 1 })],
  ['MovingBatch', new MovingBatch({ features: 1, size: 3, variance: 'total' })],
])('frozen takes the state of a %s and scores as it does', (_, statistic) => {
  for (const x of [1, 2, 4, 8, 16, 32]) statistic.update([x]);
  const frozen = new Frozen(JSON.parse(JSON.stringify(statistic.state())));
  const again = new Frozen(JSON.parse(JSON.stringify(frozen.state())));
  const z = [statistic, frozen, again].map((s) => {
    const out = new Float64Array(1);
    new Standardizer('test', s).score(Float64Array.of(5), out);
    return out[0];
  });
  expect(z[1]).toBe(z[0]);
  expect(z[2]).toBe(z[0]);
});

test.each([
  ['rolling', { last: 5 }],
  ['rolling', { last: '3ms' }],
  ['minmax', {}],
  ['robust', { halfLife: 9, unitVariance: true }],
] as const)('method %s %j resumes', (method, options) => {
  const data = Float64Array.from({ length: 40 }, (_, i) => Math.sin(i) * i);
  const times = Float64Array.from({ length: 40 }, (_, i) => i);
  const whole = createNormalizer(method, ['a'], options);
  const z = whole.push(data, 40, times)!.z;
  const first = createNormalizer(method, ['a'], options);
  first.push(data.slice(0, 20), 20, times.slice(0, 20));
  const second = createNormalizer(method, ['a'], options, {
    state: JSON.parse(JSON.stringify(first.state())),
    options,
  });
  expect([...second.push(data.slice(20), 20, times.slice(20))!.z]).toEqual([...z.slice(20)]);
});
