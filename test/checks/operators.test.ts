import { EMPTY, from, NEVER, Observable, Subject, take } from 'rxjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { collected } from '../support/collected.ts';
import { exportsOfKind } from '../support/exports-by-kind.ts';
import { marbles } from '../support/marbles.ts';
import { OPERATORS } from '../support/operators.ts';

test('every exported operator is checked here, and nothing else', () => {
  expect([...new Set(OPERATORS.map(({ exported }) => exported))].sort()).toEqual(exportsOfKind('operator').sort());
});

describe.each(OPERATORS.map((entry) => [`${entry.exported} ${entry.variant}`.trim(), entry] as const))(
  '%s',
  (_, entry) => {
    const { create, values, odd, needed } = entry;
    const uncaught: unknown[] = [];
    const note = (error: unknown) => uncaught.push(error);

    beforeEach(() => {
      uncaught.length = 0;
      process.prependListener('uncaughtException', note);
    });

    afterEach(async () => {
      // rxjs reports what nobody caught from a timer of its own
      await new Promise((resolve) => setTimeout(resolve, 0));
      process.off('uncaughtException', note);
      expect(uncaught).toEqual([]);
    });

    test('completes at once on an empty source', () => {
      expect(collected(EMPTY.pipe(create()))).toEqual([]);
    });

    test('says nothing on a source that says nothing', () => {
      marbles(({ expectObservable }) => expectObservable(NEVER.pipe(create())).toBe('-'));
    });

    test('one value: an output at the latest on completion', () => {
      expect(collected(from(values.slice(0, 1)).pipe(create()))).toHaveLength(1);
    });

    test('hands on an error of the source, once, and nothing after it', () => {
      const seen = observe(create());
      seen.push(values.slice(0, 2));
      seen.source.error(new Error('the source is lost'));
      expect(seen.errors).toEqual([new Error('the source is lost')]);
      expect([seen.completions, seen.source.observed]).toEqual([0, false]);
    });

    test('turns a failure of its own into an error notification and leaves the source', () => {
      const { operator, values: bad, message } = entry.failing();
      const seen = observe(operator);
      expect(() => seen.push(bad)).not.toThrow();
      seen.source.complete();
      expect(seen.errors).toEqual([expect.objectContaining({ message: expect.stringMatching(message) })]);
      expect([seen.completions, seen.source.observed]).toEqual([0, false]);
    });

    test('completes when the source does, once', () => {
      const seen = observe(create());
      seen.push(values);
      seen.source.complete();
      expect([seen.completions, seen.errors, seen.source.observed]).toEqual([1, [], false]);
    });

    test('unsubscribes the source when it is unsubscribed early, and keeps silent then', () => {
      const seen = observe(create());
      seen.push(values.slice(0, 1));
      const before = seen.outputs.length;
      expect(seen.source.observed).toBe(true);
      seen.subscription.unsubscribe();
      expect(seen.source.observed).toBe(false);
      seen.push(values);
      expect(seen.outputs).toHaveLength(before);
    });

    test('keeps the state of each subscription to itself', () => {
      const operator = create();
      const alone = withoutClock(collected(from(values).pipe(create())));
      expect(withoutClock(collected(from(values).pipe(operator)))).toEqual(alone);
      expect(withoutClock(collected(from(values).pipe(operator)))).toEqual(alone);
      const source = new Subject<unknown>();
      const [early, late]: [unknown[], unknown[]] = [[], []];
      source.pipe(operator).subscribe((output) => early.push(output));
      source.next(values[0]);
      source.pipe(operator).subscribe((output) => late.push(output));
      for (const value of values.slice(1)) source.next(value);
      source.complete();
      expect(withoutClock(early)).toEqual(alone);
      expect(withoutClock(late)).toEqual(withoutClock(collected(from(values.slice(1)).pipe(create()))));
    });

    test('loses nothing when a subscriber pushes to a hot source from within next', () => {
      const expected = collected(from(values).pipe(create())).length;
      const source = new Subject<unknown>();
      const rest = [...values];
      const outputs: unknown[] = [];
      let completed = false;
      source.pipe(create()).subscribe({
        next: (output) => {
          outputs.push(output);
          if (rest.length > 0) source.next(rest.shift());
        },
        complete: () => {
          completed = true;
        },
      });
      while (rest.length > 0) source.next(rest.shift());
      source.complete();
      expect([outputs.length, completed]).toEqual([expected, true]);
    });

    test('never ends the stream for the data it carries', () => {
      const seen = observe(create());
      seen.push([...odd, values[0], ...odd, ...values]);
      seen.source.complete();
      expect([seen.errors, seen.completions]).toEqual([[], 1]);
      expect(seen.outputs.length).toBeGreaterThan(0);
    });

    test('stops a synchronous source as soon as downstream has enough', () => {
      let pulled = 0;
      const endless = new Observable<unknown>((subscriber) => {
        while (!subscriber.closed) {
          if (pulled === 1000) throw new Error('the source was never stopped');
          subscriber.next(values[pulled++ % values.length]);
        }
      });
      expect(collected(endless.pipe(create(), take(1)))).toHaveLength(1);
      expect(pulled).toBe(needed);
    });
  },
);

function observe(operator: (source: Observable<unknown>) => Observable<unknown>) {
  const source = new Subject<unknown>();
  const seen = { source, outputs: [] as unknown[], errors: [] as unknown[], completions: 0 };
  const subscription = source.pipe(operator).subscribe({
    next: (output) => seen.outputs.push(output),
    error: (error) => seen.errors.push(error),
    complete: () => {
      seen.completions++;
    },
  });
  const push = (list: readonly unknown[]) => {
    for (const value of list) source.next(value);
  };
  return Object.assign(seen, { subscription, push });
}

const CLOCK_FIELDS = new Set(['time', 'start', 'end']);

/** Times of arrival differ from run to run. */
function withoutClock(outputs: readonly unknown[]): unknown {
  return JSON.parse(JSON.stringify(outputs), (key, value) => (CLOCK_FIELDS.has(key) ? 0 : value));
}
