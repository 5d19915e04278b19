import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { from } from 'rxjs';
import { describe, expect, test } from 'vitest';
import { BadLines } from '../../src/cli/bad-lines.ts';
import { KeptOut } from '../../src/cli/kept-out.ts';
import { Notices } from '../../src/cli/notices.ts';
import { Output } from '../../src/cli/output.ts';
import { pipe } from '../../src/cli/pipe.ts';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { createNormalizer, type Method, type MethodOptions } from '../../src/core/methods.ts';
import { StreamnormError } from '../../src/errors.ts';
import { batchBy } from '../../src/operators/batch-by.ts';
import { batchNorm } from '../../src/operators/batch-norm.ts';
import { quarantine } from '../../src/operators/quarantine.ts';
import { Channel } from '../../src/server/channel.ts';
import { parseConfig } from '../../src/server/config.ts';
import { readBinaryPush, readJsonPush } from '../../src/server/push.ts';
import { HandClock } from '../cli/hand-clock.ts';
import { reading } from '../support/arbitrary.ts';
import { collected } from '../support/collected.ts';

// A rejected batch changes nothing at all, by whichever way it came in: the hash of all that is known stays the same.

const hash = (known: unknown) => createHash('sha256').update(JSON.stringify(known)).digest('hex');
const goodRows = fc.array(fc.tuple(reading, reading), { minLength: 1, maxLength: 20 });
const badRow = fc.constantFrom<unknown>([1], [1, 2, 3], 'text', null, [Number.NaN, 1], [1e300, 2], [1, 'x'], {});
const KINDS = fc.constantFrom<[Method, MethodOptions]>(
  ['batch', { size: 3 }],
  ['batch', { size: 6, every: 2 }],
  ['batch', { gap: 5, lateness: 2 }],
  ['ewma', {}],
  ['robust', {}],
  ['rolling', { last: 4 }],
);

describe('the class', () => {
  test('a batch that train, learn or merge refuses', () => {
    const wrong = fc.constantFrom<(bn: BatchNorm) => unknown>(
      (bn) => bn.train([[1, 2], [3] as number[]]),
      (bn) => bn.learn([[1, 2, 3]]),
      (bn) => bn.train({ data: new Float64Array(3), rows: 2, features: 2 }),
      (bn) => bn.learn({ data: new Float64Array(6), rows: 2, features: 3 }),
      (bn) => bn.train([[1, 2]]),
      (bn) =>
        bn.train([
          [1, 2],
          [Number.NaN, 2],
        ]),
      (bn) => bn.merge(new BatchNorm({ features: 3 })),
      (bn) => bn.merge(new BatchNorm({ features: 2, alpha: 0.7 })),
    );
    fc.assert(
      fc.property(goodRows, wrong, (rows, refused) => {
        const bn = new BatchNorm({ features: 2, single: 'error', missing: 'error' });
        bn.learn([...rows, [1, 2]]);
        const before = hash(bn.state());
        expect(() => refused(bn)).toThrow();
        expect(hash(bn.state())).toBe(before);
      }),
    );
  });
});

describe('the operators', () => {
  test('samples that quarantine keeps out, and windows that batchNorm refuses', () => {
    fc.assert(
      fc.property(goodRows, fc.array(badRow, { maxLength: 5 }), fc.nat(), (rows, bad, at) => {
        const mixed: unknown[] = rows.slice();
        // the first says what a sample looks like
        mixed.splice(1 + (at % rows.length), 0, ...bad);
        const [model, other] = [new BatchNorm({ features: 2 }), new BatchNorm({ features: 2 })];
        collected(from(mixed).pipe(quarantine(), batchNorm({ size: 3, model })));
        collected(from(rows).pipe(batchNorm({ size: 3, model: other })));
        expect(hash(model.state())).toBe(hash(other.state()));
        expect(() => collected(from([[1, Number.NaN]]).pipe(batchNorm({ size: 1, model: strict(model) })))).toThrow();
        expect(hash(model.state())).toBe(hash(other.state()));
      }),
    );
    function strict(model: BatchNorm): BatchNorm {
      return BatchNorm.from({ ...model.state(), missing: 'error' });
    }
  });

  test('samples that batchBy refuses as late', () => {
    const times = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 30 });
    fc.assert(
      fc.property(times, (given) => {
        const late: number[] = [];
        const windows = (onLate: (late: { sample: number }) => void) =>
          batchBy<number>({ timeOf: Number, within: 10, lateness: 5, onLate });
        const all = collected(from(given).pipe(windows(({ sample }) => late.push(sample))));
        const counts = new Map<number, number>();
        for (const time of late) counts.set(time, (counts.get(time) ?? 0) + 1);
        // samples of one time are late from one on
        const good = given.toReversed().filter((time) => {
          const left = counts.get(time) ?? 0;
          if (left > 0) counts.set(time, left - 1);
          return left === 0;
        });
        const others = collected(from(good.toReversed()).pipe(windows(() => expect.unreachable())));
        expect(all.map(({ samples }) => samples)).toEqual(others.map(({ samples }) => samples));
      }),
    );
  });
});

describe('a push to the server', () => {
  const features = ['a', 'b'];
  const form = { features, time: undefined, maxRows: 10 };
  const messages = fc.constantFrom<string | Uint8Array>(
    '',
    '{',
    'null',
    '[]',
    '"x"',
    '[1]',
    '[[1,2],[3]]',
    '[[1,2],["3",4]]',
    '[[1,2],[null,4]]',
    '{"a":null,"b":1}',
    '{"c":1}',
    '{"type":"push","producer":"p","seq":7,"x":[[1,2],[3]]}',
    '{"type":"push","producer":"p","seq":7,"x":[[1,2],[null,3]]}',
    '{"type":"push","producer":"p","seq":7,"t":[1],"x":[[1,2],[3,4]]}',
    '{"type":"push","producer":"p","seq":-1,"x":[[1,2]]}',
    JSON.stringify(Array.from({ length: 11 }, () => [1, 2])),
    new Uint8Array(0),
    new Uint8Array(64),
  );

  test('whatever is refused', () => {
    fc.assert(
      fc.property(KINDS, goodRows, messages, ([method, options], rows, message) => {
        const { channels, limits } = parseConfig({
          channels: { c: { features, method, ...options, missing: 'error' } as never },
        });
        const channel = new Channel('c', channels.get('c') as never, limits, undefined, null);
        for (const row of rows) channel.push(readJsonPush(JSON.stringify(row), form, 1_000));
        const known = () => {
          const { savedAt: _, seqLimit: __, ...checkpoint } = channel.checkpoint();
          return hash([checkpoint, channel.report(), channel.seq, channel.counters.rows, channel.counters.flags]);
        };
        const before = known();
        expect(() => {
          const read = message instanceof Uint8Array ? readBinaryPush : readJsonPush;
          channel.push(read(message as never, form, 2_000));
        }).toThrow(StreamnormError);
        expect(known()).toBe(before);
        channel.close();
      }),
    );
  });
});

describe('a line of pipe', () => {
  const lines = fc.constantFrom(
    '{',
    '"x"',
    '[1]',
    '{"a":"1","b":2}',
    '{"a":[],"b":2}',
    'x'.repeat(50),
    '[[1,2]]',
    'true',
  );

  async function piped(text: string, method: Method, normalizer: MethodOptions) {
    const stdout = new PassThrough();
    stdout.resume();
    const notices = new Notices('pipe', { stdout, stderr: new PassThrough() });
    const told = { bad: new BadLines(notices), keptOut: new KeptOut(notices, undefined), rejects: undefined, notices };
    const options = { format: 'ndjson', features: ['a', 'b'], method, normalizer, maxPending: 1_000 } as const;
    async function* input() {
      yield Buffer.from(text);
    }
    const parts = { output: new Output(stdout), ...told, clock: new HandClock() };
    const result = await pipe(input(), { ...options, saved: new Map() }, parts);
    return { bad: told.bad.count, known: hash([result.states, result.reports()]) };
  }

  test('that cannot be read', async () => {
    await fc.assert(
      fc.asyncProperty(
        KINDS,
        goodRows,
        fc.array(fc.tuple(fc.nat(), lines), { maxLength: 5 }),
        async (kind, rows, bad) => {
          const good = rows.map(([a, b]) => JSON.stringify({ a, b }));
          const mixed = good.slice();
          for (const [at, line] of bad) mixed.splice(at % (mixed.length + 1), 0, line);
          const [all, without] = [await piped(mixed.join('\n'), ...kind), await piped(good.join('\n'), ...kind)];
          expect(all.bad).toBe(bad.length);
          expect(all.known).toBe(without.known);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('that quarantine keeps out', async () => {
    await fc.assert(
      fc.asyncProperty(
        KINDS,
        goodRows,
        fc.array(fc.nat(), { maxLength: 5 }),
        async ([method, options], rows, places) => {
          const good = rows.map(([a, b]) => JSON.stringify({ a, b }));
          const mixed = good.slice();
          for (const at of places) mixed.splice(at % (mixed.length + 1), 0, '{"a":1e400,"b":3}');
          const quarantined = { ...options, quarantine: 'drop' } as const;
          const [all, without] = [
            await piped(mixed.join('\n'), method, quarantined),
            await piped(good.join('\n'), method, options),
          ];
          expect(all.known).toBe(without.known);
        },
      ),
      { numRuns: 40 },
    );
  });
});

test('rows that a normalizer refuses', () => {
  fc.assert(
    fc.property(KINDS, goodRows, goodRows, ([method, options], rows, more) => {
      const normalizer = createNormalizer(method, ['a', 'b'], { ...options, missing: 'error' });
      const push = (given: number[][]) =>
        normalizer.push(Float64Array.from(given.flat()), given.length, new Float64Array(given.length));
      push(rows);
      const known = () => hash([normalizer.state(), normalizer.pendingRows(), normalizer.report()]);
      const before = known();
      expect(() => push([...more, [Number.NaN, 1]])).toThrow(RangeError);
      expect(known()).toBe(before);
    }),
  );
});
