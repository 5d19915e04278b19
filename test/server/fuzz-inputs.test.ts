import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StreamnormError } from '../../src/errors.ts';
import { parseConfig } from '../../src/server/config.ts';
import { createServer, type ServerConfigInput } from '../../src/server/index.ts';
import { readOutboundQuery } from '../../src/server/outbound-query.ts';
import { expectFinite, rowsOf } from './clients.ts';
import { stateDir } from './state-dir.ts';

/*
 * Anything at all where a file, a configuration or a URL is read: it is taken, or refused by one StreamnormError of the
 * documented code. Nothing else is thrown, and no number that is not finite is in a statistic afterwards.
 */

/** What `act` returns, or undefined when it is refused with that code; everything else it throws is a bug. */
async function takenOrRefused<T>(code: string, act: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof StreamnormError)) throw error;
    expect(error.code).toBe(code);
    expect(error.message.length).toBeGreaterThan(10);
    return undefined;
  }
}

const names = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', 'a', 'b', 'features', 'size', 'halfLife', 'x'.repeat(200)),
  fc.string({ maxLength: 12 }),
);
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    0,
    -1,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    1.5,
    Number.NaN,
    '',
    '5s',
    '-1s',
    '1e9s',
    null,
    [],
    {},
    true,
    [[]],
  ),
  fc.double(),
  fc.string({ maxLength: 8 }),
  fc.jsonValue({ maxDepth: 3 }),
);

/** A value with some of its parts replaced by others. */
function bent(value: unknown, depth = 0): fc.Arbitrary<unknown> {
  if (depth > 3 || typeof value !== 'object' || value === null) {
    return fc.oneof({ weight: 8, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: odd });
  }
  const whole = Array.isArray(value)
    ? fc.tuple(...value.map((each) => bent(each, depth + 1)))
    : fc
        .tuple(
          fc.record(Object.fromEntries(Object.entries(value).map(([name, each]) => [name, bent(each, depth + 1)]))),
          fc.oneof({ weight: 6, arbitrary: fc.constant({}) }, fc.dictionary(names, odd, { maxKeys: 1 })),
        )
        .map(([record, more]) => ({ ...record, ...more }));
  return fc.oneof({ weight: 12, arbitrary: whole }, { weight: 1, arbitrary: odd });
}

describe('a configuration', () => {
  const good = {
    listen: { host: '127.0.0.1', port: 0, origins: ['https://example.com'] },
    state: { dir: './state', every: '5s' },
    limits: { maxConnections: 10, pingMs: 1_000 },
    log: { level: 'info' },
    channels: {
      a: { features: ['x', 'y'], size: 8, alpha: 0.1, within: '1s', renorm: { rMax: 2, dMax: 1 } },
      b: { features: ['x'], method: 'ewma', halfLife: '30s', clip: 5, quarantine: 'flag', range: [-1, 1] },
      c: { features: ['x'], method: 'frozen', mean: [1], variance: [2] },
      d: { features: ['x'], method: 'rolling', last: '5s', time: 't', history: 5 },
    },
  };

  test('of any form is taken, or refused with every fault and its path', async () => {
    expect(parseConfig(good).channels.size).toBe(4);
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 9, arbitrary: bent(good) }, odd), async (input) => {
        const config = await takenOrRefused('CONFIG', () => parseConfig(input));
        if (config === undefined) refused++;
      }),
      { numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(50);
    expect(Object.keys(Object.prototype)).toEqual([]);
  }, 120_000);
});

test('the query of a subscriber is taken, or refused with BAD_QUERY', async () => {
  const value = fc.oneof(
    fc.constantFrom(
      'json',
      'f32',
      'z',
      'raw',
      'z,raw',
      '7',
      '17',
      '20',
      'drop',
      'abc.5',
      'abc.99999999999999999',
      '1e400',
    ),
    fc.string({ maxLength: 30 }),
    fc.string({ unit: 'binary', maxLength: 10 }),
  );
  const name = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('format', 'include', 'since', 'maxRate', 'onSlow', 'digits', 'key') },
    names,
  );
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 4 }), async (pairs) => {
      const query = await takenOrRefused('BAD_QUERY', () => readOutboundQuery(new URLSearchParams(pairs)));
      if (query === undefined) return;
      taken++;
      expectFinite({ ...query, view: query.view.key });
    }),
    { numRuns: 3_000 },
  );
  expect(taken).toBeGreaterThan(100);
});

describe('a checkpoint', () => {
  const methods = {
    batch: { features: ['a', 'b'], size: 3 },
    ewma: { features: ['a', 'b'], method: 'ewma', halfLife: '5s' },
    cumulative: { features: ['a', 'b'], method: 'cumulative' },
    rolling: { features: ['a', 'b'], method: 'rolling', last: 5 },
    minmax: { features: ['a', 'b'], method: 'minmax' },
    robust: { features: ['a', 'b'], method: 'robust' },
  } as const satisfies Record<string, ServerConfigInput['channels'][string]>;

  /** With the checksum that belongs to it, so that what is inside is looked at. */
  const sealed = (content: unknown) => {
    const body = JSON.stringify(content).slice(0, -1);
    return `${body},"checksum":"${createHash('sha256').update(body).digest('hex')}"}\n`;
  };

  test.each(Object.keys(methods) as (keyof typeof methods)[])(
    'of %s that is damaged or forged in any way is used, passed over, or refused with STATE',
    async (method) => {
      const dir = stateDir();
      const config = (every: number) => ({
        ...{ listen: { port: 0 }, state: { dir, every }, channels: { c: methods[method] } },
      });
      const file = join(dir, 'c.json');
      const first = await createServer(config(60_000));
      first.channel('c').push(rowsOf(20, 2));
      await first.close();
      const text = readFileSync(file, 'utf8');
      const { checksum: _, ...content } = JSON.parse(text) as Record<string, unknown>;
      const damaged = fc
        .tuple(fc.nat(), fc.nat(255), fc.integer({ min: 0, max: text.length }))
        .map(([at, byte, length]) => {
          const bytes = Buffer.from(text).subarray(0, at % 3 === 0 ? length : text.length);
          if (bytes.length > 0) bytes[at % bytes.length] = byte;
          return bytes;
        });
      const forged = bent(content).filter((each) => typeof each === 'object' && each !== null && !Array.isArray(each));
      await fc.assert(
        fc.asyncProperty(fc.oneof(damaged, forged.map(sealed)), async (bytes) => {
          for (const name of ['c.json', 'c.json.former', 'c.json.damaged']) rmSync(join(dir, name), { force: true });
          writeFileSync(file, bytes);
          const server = await takenOrRefused('STATE', () => createServer(config(60_000)));
          if (server === undefined) return;
          try {
            expectFinite([server.channel('c').state(), server.channel('c').report()]);
            server.channel('c').push(rowsOf(7, 2));
            expectFinite([server.channel('c').state(), server.channel('c').report()]);
          } finally {
            await server.close();
          }
        }),
        { numRuns: 100 },
      );
    },
    120_000,
  );
});
