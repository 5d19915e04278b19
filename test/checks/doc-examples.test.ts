import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as rxjs from 'rxjs';
import { describe, expect, test } from 'vitest';
import * as index from '../../src/index.ts';
import { type DocExample, examplesIn, mismatch, statementsIn } from '../support/doc-example.ts';

const src = fileURLToPath(new URL('../../src/', import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();
const examples = files.flatMap((file) => examplesIn(file, readFileSync(`${src}${file}`, 'utf8')));

/** Examples that need another machine's socket or a broker; the tests of their files run the same calls against a real one. */
const NEED_A_PEER = [
  'nats/from-jet-stream.ts',
  'nats/publish-batches.ts',
  'nats/to-jet-stream.ts',
  'websocket/sink.ts',
  'websocket/source.ts',
];

/** Importing all of these would start things. */
const ROOMS_WITH_EFFECTS = ['server', 'cli', 'nats'];

const runnable = examples.filter(({ file }) => !NEED_A_PEER.includes(file));

test('examples are found in every operator and every statistic', () => {
  const files = new Set(examples.map(({ file }) => file));
  const operators = ['batch-by', 'batch-norm', 'batch-stats', 'denormalize', 'moving-stats', 'normalize', 'quarantine'];
  const statistics = ['batch-norm', 'batch-summary', 'cumulative', 'ewma', 'frozen'];
  const expected = [...operators.map((name) => `operators/${name}.ts`), ...statistics.map((name) => `core/${name}.ts`)];
  expect([...files]).toEqual(expect.arrayContaining(expected));
  expect([...files]).toEqual(expect.arrayContaining(NEED_A_PEER));
});

test.each(runnable.map((example) => [`${example.file}:${example.line}`, example] as const))(
  'the example at %s prints what it says',
  async (_, example) => {
    const statements = statementsIn(example.code);
    const promised = statements.filter(({ expected }) => expected !== undefined);
    expect(promised.length, 'the example says nothing about its result').toBeGreaterThan(0);
    const results = await run(
      example,
      statements.map(({ code, expected }) => (expected === undefined ? `${code};` : checked(code))).join('\n'),
    );
    for (const [i, { code, expected }] of promised.entries()) {
      const found = mismatch(expected ?? '', results[i]);
      expect(found === undefined ? expected : found, code).toBe(expected);
    }
  },
);

describe('how an expectation is read', () => {
  test.each<[string, unknown[]]>([
    ['2', [2]],
    ['30_000', [30_000]],
    ['0.66…', [2 / 3]],
    ['NaN NaN 3', [Number.NaN, Number.NaN, 3]],
    ['NaN, …, 3 (the third)', [Number.NaN, 7, 3]],
    ['[1, 2] [3]', [[1, 2], [3]]],
    ['[-0.99…, 150]', [Float64Array.of(-0.999, 150)]],
    ['{ count: 3, mean: [2], at: …, … }', [{ count: 3, mean: [2], at: 7, more: 1 }]],
    ["'a b' true null", ['a b', true, null]],
    ['\'{"a":1,…}\'', ['{"a":1,"b":2}']],
    ['a Uint8Array', [new Uint8Array(1)]],
    ['http://127.0.0.1:…', ['http://127.0.0.1:8080']],
    ['RangeError: no…', ['RangeError: nothing']],
  ])('%s fits', (expected, values) => expect(mismatch(expected, values)).toBeUndefined());

  test.each<[string, unknown[]]>([
    ['2', [3]],
    ['3', [3, 3]],
    ['0.67…', [2 / 3]],
    ['NaN 3', [Number.NaN, Number.NaN, 3]],
    ['[1, 2]', [[1, 2, 3]]],
    ['{ count: 3 }', [{ count: 3, mean: [2] }]],
    ['{ count: 3, … }', [{ count: 4 }]],
    ['a Uint8Array', [[1]]],
    ['RangeError: no', ['TypeError: no']],
  ])('%s does not fit %j', (expected, values) => expect(mismatch(expected, values)).toBeDefined());

  test('prose is no expectation', () => {
    expect(() => mismatch('by the statistics', [1])).toThrow(
      "the expectation 'by the statistics' is no value at 'by the",
    );
  });
});

/** Code that keeps what the expression gives, or what it throws. */
function checked(code: string): string {
  return `await keep(async () => (${code}));`;
}

/** Runs code with everything in scope that its file, streamnorm and rxjs export. */
async function run({ file }: DocExample, code: string): Promise<unknown[][]> {
  const scope = { ...rxjs, ...index, ...(await exportsBeside(file)) };
  const results: unknown[][] = [];
  const keep = async (expression: () => Promise<unknown>) => {
    results.push(await valuesOf(expression));
  };
  const names = Object.keys(scope).filter((name) => !code.includes(`const ${name} `));
  const AsyncFunction = run.constructor as new (...parts: string[]) => (...values: unknown[]) => Promise<void>;
  const values = new Map<string, unknown>(Object.entries(scope));
  await new AsyncFunction(...names, 'keep', code)(...names.map((name) => values.get(name)), keep);
  return results;
}

/** Exports of the file itself, of its room, and of the statistics and operators, not all of which are public. */
async function exportsBeside(file: string): Promise<object> {
  const [room] = file.split('/');
  const rooms = ['core', 'operators', ...(ROOMS_WITH_EFFECTS.includes(room) ? [] : [room])];
  const beside = files.filter((other) => rooms.includes(other.split('/')[0]));
  return Object.assign({}, ...(await Promise.all([...beside, file].map((other) => import(`${src}${other}`)))));
}

/** What an Observable emits, in order; else the one value, or the error as it is printed. */
async function valuesOf(expression: () => Promise<unknown>): Promise<unknown[]> {
  try {
    const value = await expression();
    return rxjs.isObservable(value) ? await rxjs.lastValueFrom(value.pipe(rxjs.toArray())) : [value];
  } catch (error) {
    return [String(error)];
  }
}
