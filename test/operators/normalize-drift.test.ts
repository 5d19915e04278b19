import { from, last, Subject, toArray } from 'rxjs';
import { expect, test } from 'vitest';
import { adwin } from '../../src/core/adwin.ts';
import { cumulative } from '../../src/core/cumulative.ts';
import { Ewma, ewma } from '../../src/core/ewma.ts';
import { frozen } from '../../src/core/frozen.ts';
import { drift } from '../../src/operators/drift.ts';
import type { DriftEvent } from '../../src/operators/drift-event.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { perKey } from '../../src/operators/per-key.ts';
import { collected } from '../support/collected.ts';

/** Two levels, 100 apart, with a little life; it is found at the row that ends a block of 32 of ADWIN's. */
const STEPS = Array.from({ length: 200 }, (_, i) => (i % 3) + (i < 100 ? 0 : 100));
const FOUND = 127;
const detector = () => adwin({ range: 0 });

test('the row that shows the change is scored by what was before, the next ones by what came after', () => {
  const events: DriftEvent[] = [];
  const values = collected(
    from(STEPS).pipe(
      normalize(cumulative(), { drift: detector(), onDrift: 'reset', tellDrift: (event) => events.push(event) }),
    ),
  );
  const plain = collected(from(STEPS).pipe(normalize(cumulative())));
  const after = collected(from(STEPS.slice(FOUND)).pipe(normalize(cumulative())));
  expect(values.slice(0, FOUND + 1)).toEqual(plain.slice(0, FOUND + 1));
  expect(values.slice(FOUND + 1)).toEqual(after.slice(1));
  expect(values[FOUND + 1]).toBeNaN();
  expect(events).toEqual([
    { kind: 'increase', feature: 0, index: FOUND, time: expect.any(Number), detector: 'adwin', ...MEANS },
  ]);
});

test('untilReady says what comes out after a reset', () => {
  const options = { drift: detector(), onDrift: 'reset' as const };
  const passed = collected(from(STEPS).pipe(normalize(cumulative(), { ...options, untilReady: 'pass' })));
  expect(passed[FOUND + 1]).toBe(STEPS[FOUND + 1]);
  const held = collected(from(STEPS).pipe(normalize(cumulative(), { ...options, untilReady: 'hold' })));
  expect(held).toHaveLength(STEPS.length);
  expect(held.some(Number.isNaN)).toBe(false);
});

test('told alone, the values are those without a detector, and the events those of drift', () => {
  const events: DriftEvent[] = [];
  const told = { drift: detector(), tellDrift: (event: DriftEvent) => void events.push(event) };
  const values = collected(from(STEPS).pipe(normalize(ewma(), told)));
  expect(values).toEqual(collected(from(STEPS).pipe(normalize(ewma()))));
  const plain = collected(from(STEPS).pipe(drift(detector())));
  expect(events.map(({ time, ...event }) => event)).toEqual(plain.map(({ time, ...event }) => event));
});

test('faster, an ewma has followed sooner', () => {
  const end = (options: object) =>
    Math.abs(collected(from(STEPS).pipe(normalize(ewma({ alpha: 0.002 }), { eps: 0, ...options }), last()))[0]);
  const plain = end({});
  const fast = end({ drift: detector(), onDrift: { faster: 100, rows: 40 } });
  expect(plain).toBeGreaterThan(0.5);
  expect(fast).toBeLessThan(0.1 * plain + 0.1);
});

test('events name the field, and come after the value that shows the change', () => {
  const order: string[] = [];
  const records = STEPS.map((x) => ({ bid: -x, ask: 1, note: 'kept' }));
  let count = 0;
  from(records)
    .pipe(
      normalize(cumulative(), {
        features: ['bid', 'ask'],
        drift: detector(),
        tellDrift: ({ feature, index, kind }) => order.push(`${feature} ${kind} ${index} after ${count}`),
      }),
    )
    .subscribe(() => count++);
  expect(order).toEqual([`bid decrease ${FOUND} after ${FOUND + 1}`]);
});

test('each subscription has detectors of its own, also around a shared statistic', () => {
  const events: number[] = [];
  const shared = new Ewma({ features: 1, alpha: 0.1 });
  const watched = normalize<number>(shared, { drift: detector(), tellDrift: ({ index }) => events.push(index) });
  for (const _ of [1, 2]) from(STEPS).pipe(watched).subscribe();
  expect(events).toEqual([FOUND, FOUND]);
});

test('a throw of tellDrift is an error notification', () => {
  const tellDrift = () => {
    throw new Error('no');
  };
  let error: unknown;
  from(STEPS)
    .pipe(normalize(cumulative(), { drift: detector(), tellDrift }))
    .subscribe({ error: (e) => (error = e) });
  expect(error).toEqual(new Error('no'));
});

test('a re-entrant source: each sample is told of by its own index', () => {
  const source = new Subject<number>();
  const seen: number[] = [];
  let pushed = 0;
  const watched = source.pipe(
    normalize(cumulative(), { drift: detector(), tellDrift: ({ index }) => seen.push(index) }),
  );
  watched.subscribe(() => {
    if (pushed === FOUND) source.next(STEPS[++pushed]);
  });
  for (; pushed < STEPS.length; pushed++) source.next(STEPS[pushed]);
  expect(seen).toEqual([FOUND]);
});

test('samples that are dropped count in the index, as they do in drift', () => {
  const seen: number[] = [];
  const options = {
    drift: detector(),
    missing: 'dropRow' as const,
    tellDrift: ({ index }: DriftEvent) => seen.push(index),
  };
  from([null as never, ...STEPS.slice(0, 50), Number.NaN, ...STEPS.slice(50)])
    .pipe(normalize(cumulative(), options))
    .subscribe();
  expect(seen).toEqual([FOUND + 2]);
});

test('perKey watches each key by itself', () => {
  const events: number[] = [];
  const samples = STEPS.flatMap((x) => [
    { key: 'a', x },
    { key: 'b', x: 1 },
  ]);
  const tellDrift = ({ index }: DriftEvent) => events.push(index);
  const operator = () =>
    normalize<(typeof samples)[0]>(cumulative(), { features: ['x'], drift: detector(), tellDrift });
  collected(
    from(samples).pipe(
      perKey(({ key }) => key, operator),
      toArray(),
    ),
  );
  expect(events).toEqual([FOUND]);
});

test('what cannot act throws at once, or when the statistic is made', () => {
  expect(() => normalize(cumulative(), { onDrift: 'reset' })).toThrow(
    'normalize takes onDrift with drift: a detector such as adwin()',
  );
  expect(() => normalize(cumulative(), { tellDrift: () => {} })).toThrow('normalize takes tellDrift with drift');
  let error: unknown;
  const given = frozen({ mean: [0], std: [1] });
  from([1])
    .pipe(normalize(given, { drift: detector(), onDrift: 'reset' }))
    .subscribe({ error: (e) => (error = e) });
  expect(error).toEqual(new TypeError("normalize takes onDrift 'reset' with a statistic that can forget, got Frozen"));
});

const MEANS = {
  meanBefore: expect.any(Number),
  meanAfter: expect.any(Number),
  before: expect.any(Number),
  after: expect.any(Number),
};
