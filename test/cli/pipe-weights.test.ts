import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { from, lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cumulative } from '../../src/core/cumulative.ts';
import { Ewma } from '../../src/core/ewma.ts';
import { METHOD_NAMES } from '../../src/core/methods.ts';
import { normalize } from '../../src/operators/normalize.ts';
import { runCli } from './run-cli.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'streamnorm-weights-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const csv = (input: string, ...flags: string[]) => runCli(['pipe', '--format', 'csv', ...flags], input);
const ndjson = (input: string, ...flags: string[]) => runCli(['pipe', ...flags], input);
const WEIGHTED = ['--sample-weight', 'w', '--eps', '0'];

test('a row counts as much as its weight says; the column of the weights is no feature and stays', async () => {
  // mean (3·1 + 1·5)/4 = 2, variance (3·1 + 1·9)/4 = 3
  const { stdout } = await csv('x,w\n1,3\n5,1\n8,"1"\n', '--method', 'cumulative', ...WEIGHTED);
  expect(stdout).toMatch(/^x,w\n,3\n,1\n[\d.]+,"1"\n$/);
  expect(Number(stdout.split('\n')[3].split(',')[0])).toBeCloseTo(6 / Math.sqrt(3), 12);
});

test('a row of weight 0 is normalised and not learned; so is one without a weight that can be used', async () => {
  for (const none of ['0', '', '-1', 'Infinity', '1e-300']) {
    const { stdout, code } = await csv(`x,w\n1,1\n3,1\n100,${none}\n4,1\n`, '--method', 'cumulative', ...WEIGHTED);
    expect(code).toBe(0);
    expect(stdout).toBe(`x,w\n,1\n,1\n98,${none}\n2,1\n`);
  }
  const rows = [{ x: 1, w: 1 }, { x: 3, w: 1 }, { x: 100 }, { x: 100, w: null }, { x: 4, w: 1 }];
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const { stdout } = await ndjson(lines, '--method', 'cumulative', ...WEIGHTED);
  const out = stdout.trimEnd().split('\n');
  expect(out.map((line) => JSON.parse(line).x)).toEqual([null, null, 98, 98, 2]);
});

test('a weight that is no number is a bad line', async () => {
  const { stdout, stderr } = await csv('x,w\n1,1\n3,heavy\n', '--method', 'ewma', ...WEIGHTED);
  expect(stdout).toBe('x,w\n,1\n');
  expect(stderr).toContain("line 3: w is 'heavy', not a number");
  const records = await ndjson('{"x":1,"w":1}\n{"x":3,"w":"heavy"}\n', '--method', 'ewma', ...WEIGHTED);
  expect(records.stderr).toContain("line 2: w is 'heavy', neither a number nor null");
});

test('a method without weights refuses them; so does a header without that column', async () => {
  const takes = ['ewma', 'cumulative', 'frozen'];
  for (const method of METHOD_NAMES.filter((name) => !takes.includes(name))) {
    const { code, stderr } = await csv('x,w\n1,1\n', '--method', method, '--sample-weight', 'w');
    expect(code).toBe(2);
    expect(stderr).toContain(
      `--sample-weight belongs to --method ewma, cumulative, frozen; ${method} takes no weights`,
    );
  }
  const feature = await csv('x,w\n1,1\n', '--method', 'ewma', '--features', 'x,w', '--sample-weight', 'w');
  expect(feature.code).toBe(2);
  expect(feature.stderr).toContain('--sample-weight w is one of --features');
  const { code, stderr } = await csv('x\n1\n', '--method', 'ewma', '--sample-weight', 'w');
  expect(code).toBe(65);
  expect(stderr).toContain("the header has no weight 'w'; it has x");
});

const weights = fc.constantFrom(0, 0.25, 1, 3, 1e-3, -1);
const row = fc.record({
  k: fc.constantFrom('a', 'b', 'c'),
  x: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  w: weights,
});
type Row = { k: string; x: number; w: number };

describe.each([
  ['cumulative', () => new Cumulative({ features: ['x'] }), ['--method', 'cumulative']],
  ['ewma', () => new Ewma({ features: ['x'], alpha: 0.1 }), ['--method', 'ewma', '--alpha', '0.1']],
] as const)('%s', (name, create, flags) => {
  test('learns what the operator with `weightOf` learns, bit by bit, in both formats and for each key', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), async (rows: Row[]) => {
        const ofKey = async (some: Row[]) => {
          const statistic = create();
          const weightOf = ({ w }: Row) => w;
          const scored = from(some).pipe(normalize(statistic, { features: ['x'], weightOf }), toArray());
          await lastValueFrom(scored);
          return JSON.parse(JSON.stringify(statistic.state()));
        };
        const lines = rows.map((each) => `${JSON.stringify(each)}\n`).join('');
        const table = `k,x,w\n${rows.map(({ k, x, w }) => `${k},${x},${w}\n`).join('')}`;
        const given = ['--features', 'x', '--sample-weight', 'w', ...flags];
        for (const [read, text] of [
          [csv, table],
          [ndjson, lines],
        ] as const) {
          const [all, keyed] = [join(folder, `${name}-${run++}.json`), join(folder, `${name}-${run++}.json`)];
          await read(text, ...given, '--state', all);
          expect(JSON.parse(readFileSync(all, 'utf8'))).toEqual(await ofKey(rows));
          await read(text, ...given, '--key', 'k', '--state', keyed);
          const keys = new Map(JSON.parse(readFileSync(keyed, 'utf8')).keys);
          for (const k of new Set(rows.map((each) => each.k))) {
            expect(keys.get(k)).toEqual(await ofKey(rows.filter((each) => each.k === k)));
          }
        }
      }),
      { numRuns: 25 },
    );
  });
});
