import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BadLines } from '../../src/cli/bad-lines.ts';
import { KeptOut } from '../../src/cli/kept-out.ts';
import { Notices } from '../../src/cli/notices.ts';
import { Output } from '../../src/cli/output.ts';
import { pipe } from '../../src/cli/pipe.ts';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { METHOD_NAMES, METHOD_OPTIONS } from '../../src/core/methods.ts';
import { expectClose } from '../support/close.ts';
import { HandClock } from './hand-clock.ts';
import { runCli } from './run-cli.ts';

let folder: string;
const file = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'streamnorm-pipe-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const csv = (input: string, ...flags: string[]) => runCli(['pipe', '--format', 'csv', ...flags], input);
const rowsOf = (stdout: string) => stdout.trimEnd().split('\n').slice(1);

describe('--key', () => {
  test('each key has statistics of its own, and rows keep their order', async () => {
    const { stdout } = await csv('k,x\na,1\nb,10\nb,30\na,3\nc,5\n', '--key', 'k', '--size', '2', '--eps', '0');
    expect(stdout).toBe('k,x\na,-1\nb,-1\nb,1\na,1\nc,0\n');
  });

  test('the output of a key is what it would be alone', async () => {
    const rows = fc.array(
      fc.tuple(fc.constantFrom('a', 'b', 'ü', '"c,d"', ''), fc.double({ min: -100, max: 100, noNaN: true })),
      {
        minLength: 1,
        maxLength: 60,
      },
    );
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom('batch', 'ewma', 'cumulative'), async (list, method) => {
        const flags = ['--method', method, ...(method === 'batch' ? ['--size', '5'] : []), '--features', 'x'];
        const text = (some: typeof list) => `k,x\n${some.map((row) => `${row.join(',')}\n`).join('')}`;
        const together = rowsOf((await csv(text(list), '--key', 'k', ...flags)).stdout);
        expect(together).toHaveLength(list.length);
        for (const key of new Set(list.map(([k]) => k))) {
          const alone = rowsOf((await csv(text(list.filter(([k]) => k === key)), ...flags)).stdout);
          expect(together.filter((_, i) => list[i][0] === key)).toEqual(alone);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('keys of NDJSON may be text, numbers or true and false', async () => {
    const { stdout } = await runCli(
      ['pipe', '--key', 'k', '--size', '2', '--eps', '0'],
      '{"k":"é","x":1}\n{"k":1,"x":5}\n{"k":true,"x":7}\n{"k":"\\u00e9","x":3}\n{"k":1,"x":9}\n',
    );
    expect(stdout.match(/"x":-?\d/g)).toEqual(['"x":-1', '"x":-1', '"x":0', '"x":1', '"x":1']);
  });

  test('no more than --max-pending rows wait: the oldest batch closes early, counted and said', async () => {
    const rows = ['k,x', 'slow,1', ...Array.from({ length: 20 }, (_, i) => `fast,${i}`)].join('\n');
    const { stdout, stderr } = await csv(rows, '--key', 'k', '--size', '4', '--max-pending', '10');
    expect(rowsOf(stdout)).toHaveLength(21);
    expect(rowsOf(stdout)[0]).toBe('slow,0');
    expect(stderr).toBe('streamnorm pipe: 21 rows; 1 batch closed early because of --max-pending\n');
  });

  test('which batches close early does not depend on how the input is cut', async () => {
    const rows = Array.from({ length: 200 }, (_, i) => `${'abcdefg'[(i * i) % 7]},${(i * 37) % 11}`);
    const input = Buffer.from(['k,x', ...rows].join('\n'));
    const flags = ['pipe', '--format', 'csv', '--key', 'k', '--size', '16', '--max-pending', '20'];
    const whole = await runCli(flags, [input]);
    expect(whole.stderr).toMatch(/batches closed early/);
    const bytes = Array.from(input, (byte) => Buffer.from([byte]));
    expect(await runCli(flags, bytes)).toEqual(whole);
  });
});

describe('--max-keys', () => {
  const input = 'k,x\na,1\na,3\nb,7\na,5\nc,9\nb,8\nb,9\n';
  const flags = ['--key', 'k', '--method', 'cumulative', '--eps', '0', '--max-keys', '2'];

  test('the key unused for longest is evicted and begins anew, counted and said', async () => {
    const stats = file('evictions.json');
    const { stdout, stderr } = await csv(input, ...flags, '--stats', stats);
    // b makes way for c, and then a for b
    expect(rowsOf(stdout)).toEqual(['a,', 'a,', 'b,', 'a,3', 'c,', 'b,', 'b,']);
    expect(stderr).toBe(
      'streamnorm pipe: there are more keys than --max-keys 2: those that are evicted lose their statistics; --state keeps them\n' +
        'streamnorm pipe: 7 rows; 2 keys evicted because of --max-keys\n',
    );
    const said = JSON.parse(readFileSync(stats, 'utf8'));
    expect(said.evictions).toBe(2);
    expect(said.keys.map(([key, { rows }]: [string, { rows: number }]) => [key, rows])).toEqual([
      ['c', 1],
      ['b', 2],
    ]);
  });

  test('with --state an evicted key goes on when it comes again, and is saved with the others', async () => {
    const [state, stats] = [file('evicted.json'), file('evicted-stats.json')];
    const { stdout, stderr } = await csv(input, ...flags, '--state', state, '--stats', stats);
    expect(rowsOf(stdout)[6]).toBe('b,3');
    expect(stderr).toMatch(/evicted wait for them\n.*7 rows; 2 keys evicted because of --max-keys\n/);
    const counts = (list: [string, { count?: number[]; rows?: number }][]) =>
      Object.fromEntries(list.map(([key, { count, rows }]) => [key, rows ?? count?.[0]]));
    expect(counts(JSON.parse(readFileSync(state, 'utf8')).keys)).toEqual({ a: 3, b: 3, c: 1 });
    expect(counts(JSON.parse(readFileSync(stats, 'utf8')).keys)).toEqual({ a: 3, b: 3, c: 1 });
  });

  test.each([
    ['ewma', []],
    ['ewma', ['--drift', 'page-hinkley']],
    ['cumulative', ['--quarantine', 'flag', '--range=-90..90']],
    ['cumulative', ['--missing', 'error']],
    ['minmax', []],
    ['rolling', ['--last', '3']],
    ['batch', ['--size', '1', '--retain', '0.5']],
  ])('with --state, %s %j with few keys at a time is as it is with all', async (method, more) => {
    const row = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'é'), fc.double({ min: -100, max: 100, noNaN: true }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        async (list, n) => {
          const text = `k,x\n${list.map((each) => `${each.join(',')}\n`).join('')}`;
          const [all, few] = [file('all.json'), file('few.json')];
          for (const each of [all, few]) rmSync(each, { force: true });
          const common = ['--key', 'k', '--method', method, '--features', 'x', ...more];
          const whole = await csv(text, ...common, '--state', all);
          const evicting = await csv(text, ...common, '--state', few, '--max-keys', String(n));
          expect([whole.code, evicting.code]).toEqual([0, 0]);
          expect(evicting.stdout).toBe(whole.stdout);
          const statesOf = (path: string) => new Map(JSON.parse(readFileSync(path, 'utf8')).keys);
          expect(statesOf(few)).toEqual(statesOf(all));
        },
      ),
      { numRuns: 25 },
    );
  });

  test('an open batch closes when its key is evicted: no row is lost', async () => {
    const { stdout } = await csv('k,x\na,1\na,3\nb,7\n', '--key', 'k', '--size', '9', '--eps', '0', '--max-keys', '1');
    expect(rowsOf(stdout)).toEqual(['a,-1', 'a,1', 'b,0']);
  });

  test('which keys are evicted does not depend on how the input is cut', async () => {
    const rows = Array.from({ length: 200 }, (_, i) => `${'abcdefg'[(i * i) % 7]},${(i * 37) % 11}`);
    const whole = Buffer.from(['k,x', ...rows].join('\n'));
    const command = ['pipe', '--format', 'csv', '--key', 'k', '--size', '4', '--max-keys', '2'];
    const once = await runCli(command, [whole]);
    expect(once.stderr).toMatch(/keys evicted because of --max-keys/);
    const bytes = Array.from(whole, (byte) => Buffer.from([byte]));
    expect(await runCli(command, bytes)).toEqual(once);
  });

  test.each([
    [['--max-keys', '3'], '--max-keys belongs to --key'],
    [['--key', 'k', '--max-keys', '17000000'], 'a whole number from 1 to 16000000, got 17000000'],
    [['--key', 'k', '--max-keys', '0'], 'whole number >= 1'],
  ])('%j is refused', async (wrong, message) => {
    const { code, stderr } = await csv(input, ...wrong);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('--state', () => {
  const data = Array.from({ length: 256 }, (_, i) => `${i % 3},${Math.sin(i) * 100},${i}`);
  const text = (rows: string[]) => `k,x,y\n${rows.join('\n')}\n`;

  test.each([
    ['batch', []],
    ['batch', ['--key', 'k', '--size', '1']],
    ['batch', ['--retain', '0.5', '--clip', '1', '--weight', '2,3', '--bias', '1,0']],
    ['batch', ['--size', '8', '--renorm', '3,5', '--missing', 'mean']],
    ['ewma', ['--half-life', '20']],
    ['ewma', ['--weight', '2,3', '--bias', '1,0', '--until-ready', 'pass', '--min-samples', '3']],
    ['ewma', ['--key', 'k', '--half-life', '10s', '--time', 'y', '--features', 'x']],
    ['cumulative', ['--order', 'learn-then-score']],
  ])('two runs of %s with one state are one run %j', async (method, more) => {
    const features = more.includes('--features') ? [] : ['--features', 'x,y'];
    const flags = ['--method', method, ...features, ...more];
    const state = file(`${method}-${more.join('')}.json`);
    const whole = await csv(text(data), ...flags);
    const first = await csv(text(data.slice(0, 128)), ...flags, '--state', state);
    const second = await csv(text(data.slice(128)), ...flags, '--state', state);
    expect([...rowsOf(first.stdout), ...rowsOf(second.stdout)]).toEqual(rowsOf(whole.stdout));
  });

  test('the file holds what state() gives', async () => {
    const state = file('plain.json');
    await csv('x,y\n1,10\n2,20\n3,30\n6,60\n', '--state', state, '--alpha', '0.5');
    expect(JSON.parse(readFileSync(state, 'utf8'))).toEqual({
      format: 'streamnorm.batchnorm/1',
      features: ['x', 'y'],
      alpha: 0.5,
      eps: 1e-5,
      runningMean: [1.5, 15],
      runningVar: [expect.closeTo(2.8333333333333335, 12), expect.closeTo(233.83333333333334, 9)],
      batches: 1,
      samples: 4,
      weight: null,
      bias: null,
    });
  });

  test('with --key it holds one state for each key, also for keys that did not come again', async () => {
    const state = file('keyed.json');
    const flags = ['--key', 'k', '--method', 'cumulative', '--state', state];
    await csv('k,x\nstraße,1\nb,2\n', ...flags);
    await csv('k,x\nb,4\n__proto__,5\n', ...flags);
    const saved = JSON.parse(readFileSync(state, 'utf8'));
    expect(saved.format).toBe('streamnorm.keyed/1');
    const means = saved.keys.map(([key, one]: [string, { mean: number[] }]) => [key, one.mean]);
    expect(means).toEqual([
      ['straße', [1]],
      ['b', [3]],
      ['__proto__', [5]],
    ]);
  });

  test('--method frozen takes the state of any method and leaves the file alone', async () => {
    const state = file('trained.json');
    for (const method of ['batch', 'cumulative']) {
      rmSync(state, { force: true });
      const trained = await csv(
        'x\n1\n5\n',
        '--method',
        method,
        '--state',
        state,
        '--eps',
        '0',
        ...(method === 'batch' ? ['--alpha', '1'] : []),
      );
      expect(trained.code).toBe(0);
      const before = readFileSync(state, 'utf8');
      const { stdout } = await csv('x\n11.0\n3\n', '--method', 'frozen', '--state', state, '--eps', '0');
      expect(Number(rowsOf(stdout)[0])).toBeCloseTo(8 / Math.sqrt(method === 'batch' ? 8 : 4), 12);
      expect(readFileSync(state, 'utf8')).toBe(before);
    }
  });

  test('--method frozen takes weight, bias, eps and clip of a BatchNorm too, unless it is given others', async () => {
    const norm = new BatchNorm({
      features: ['x', 'y'],
      eps: 0.5,
      weight: [2, -1],
      bias: [10, 0.25],
      clip: 1.5,
      alpha: 1,
    });
    const rows = [
      [1, 10],
      [3, 30],
      [8, 20],
    ];
    norm.learn(rows);
    const state = file('affine.json');
    writeFileSync(state, JSON.stringify(norm.state()));
    const input = `x,y\n${rows.map((row) => row.join()).join('\n')}\n`;
    const read = async (...flags: string[]) => {
      const { stdout } = await csv(input, '--method', 'frozen', '--state', state, ...flags);
      return stdout
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(',').map(Number));
    };
    expectClose(await read(), norm.transform(rows));
    const other = BatchNorm.from({ ...norm.state(), bias: [0, 0], eps: 0 });
    expectClose(await read('--bias', '0,0', '--eps', '0'), other.transform(rows));
  });

  test('frozen statistics by key: a key without any is a bad line', async () => {
    const state = file('frozen-keyed.json');
    await csv('k,x\na,1\na,5\n', '--key', 'k', '--method', 'cumulative', '--state', state);
    const { stdout, stderr } = await csv(
      'k,x\na,3\nb,3\na,5\n',
      '--key',
      'k',
      '--method',
      'frozen',
      '--eps',
      '0',
      '--state',
      state,
    );
    expect(stdout).toBe('k,x\na,0\na,1\n');
    expect(stderr).toMatch(/line 3: there are no statistics for the key 'b'/);
  });

  test('an input without rows leaves the state as it was', async () => {
    const state = file('untouched.json');
    await csv('x\n1\n3\n', '--state', state);
    const before = readFileSync(state, 'utf8');
    await csv('', '--state', state);
    await csv('x\n', '--state', state);
    expect(readFileSync(state, 'utf8')).toBe(before);
  });

  test('a run that fails leaves the state as it was', async () => {
    const state = file('failed.json');
    const { code } = await csv('x\n1\nbad\n', '--state', state, '--strict');
    expect(code).toBe(65);
    expect(() => readFileSync(state)).toThrow(/ENOENT/);
  });

  test.each([
    ['is no JSON', '{"format":"streamnorm', [], /holds no state/],
    [
      'is of another method',
      '{"format":"streamnorm.ewma/1"}',
      [],
      /has format streamnorm\.ewma\/1, --method batch continues/,
    ],
    ['is null', 'null', [], /has format undefined/],
    ['is of a newer version', '{"format":"streamnorm.batchnorm/2"}', ['--features', 'x'], /streamnorm\.batchnorm\/2/],
    [
      'has no keys',
      '{"format":"streamnorm.batchnorm/1"}',
      ['--key', 'k'],
      /holds one state, but --key asks for states by key/,
    ],
    ['has keys', '{"format":"streamnorm.keyed/1","keys":[]}', [], /holds states by key, but --key was not given/],
    [
      'has broken keys',
      '{"format":"streamnorm.keyed/1","keys":[1]}',
      ['--key', 'k'],
      /keys must be a list of \[key, state\]/,
    ],
  ])('a state that %s ends with 78 and one line', async (_, content, flags, message) => {
    const state = file('broken.json');
    writeFileSync(state, content);
    const { code, stdout, stderr } = await csv('k,x\na,1\n', '--state', state, ...flags);
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(readFileSync(state, 'utf8')).toBe(content);
  });

  test.each([
    [['--alpha', '0.5'], /made with alpha 0\.1, which --alpha cannot change/],
    [['--retain', '0.5'], /made with alpha 0\.1, which --retain cannot change/],
    [['--cumulative'], /made with alpha 0\.1, which --cumulative cannot change/],
    [['--eps', '0.5'], /made with eps 0\.00001, which --eps cannot change/],
    [['--clip', '3'], /made with no clip, which --clip cannot change/],
  ])('an option that says something else than the state is refused: %j', async (flags, message) => {
    const state = file('options.json');
    rmSync(state, { force: true });
    await csv('x\n1\n3\n', '--state', state);
    const { code, stderr } = await csv('x\n1\n', '--state', state, ...flags);
    expect(code).toBe(78);
    expect(stderr).toMatch(message);
    expect((await csv('x\n1\n', '--state', state, '--alpha', '0.1', '--eps', '1e-5')).code).toBe(0);
  });

  test('a file that cannot be read is 66, one that cannot be written 69, before any row', async () => {
    expect((await csv('x\n1\n', '--state', folder)).code).toBe(66);
    for (const flag of ['--state', '--stats']) {
      const { code, stdout } = await csv('x\n1\n', flag, file('no/such/folder.json'));
      expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    }
  });
});

describe('--stats', () => {
  test('the final statistics of all features', async () => {
    await csv('x,y\n1,10\n3,30\nbad,1\n5,inf\n', '--size', '3', '--stats', file('stats.json'), '--alpha', '1');
    expect(JSON.parse(readFileSync(file('stats.json'), 'utf8'))).toMatchObject({
      method: 'batch',
      rows: 3,
      badLines: 1,
      excludedValues: 1,
      closedEarly: 0,
      features: ['x', 'y'],
      statistics: {
        version: 1,
        rows: 3,
        mean: [3, 20],
        std: [2, expect.closeTo(Math.sqrt(200), 12)],
        batch: { count: 3, min: [1, 10], max: [5, 30] },
      },
    });
  });

  test('by key, the one unused for longest first', async () => {
    await csv('k,x\na,1\nb,3\na,5\n', '--key', 'k', '--method', 'cumulative', '--stats', file('stats.json'));
    const { keys } = JSON.parse(readFileSync(file('stats.json'), 'utf8'));
    expect(keys).toMatchObject([
      ['b', { rows: 1, mean: [3], std: [null] }],
      ['a', { rows: 2, mean: [3], std: [2] }],
    ]);
  });
});

describe('methods and their options', () => {
  test.each([
    ['ewma', ['--alpha', '0.5'], ['', '', '']],
    ['cumulative', ['--eps', '0'], ['', '', '3']],
    ['cumulative', ['--eps', '0', '--order', 'learn-then-score'], ['', '1', expect.closeTo(1.224744871391589, 12)]],
    ['cumulative', ['--eps', '0', '--clip', '2.5'], ['', '', '2.5']],
    ['frozen', ['--mean', '1', '--std', '2', '--eps', '0'], ['0', '0.5', '1']],
    ['frozen', ['--mean', '-1', '--variance', '4', '--eps', '0'], ['1', '1.5', '2']],
  ])('%s %j', async (method, flags, expected) => {
    const { stdout } = await csv('x\n1\n2\n3\n', '--method', method, ...flags);
    const fields = stdout.split('\n').slice(1, 4);
    if (method === 'ewma') expect(Number(fields[2])).toBeGreaterThan(1);
    else expect(fields.map((text, i) => (typeof expected[i] === 'string' ? text : Number(text)))).toEqual(expected);
  });

  test('a half-life in time uses --time', async () => {
    const rows = (step: number) => `t,x\n${[1, 2, 4, 8].map((x, i) => `${i * step},${x}`).join('\n')}\n`;
    const flags = ['--method', 'ewma', '--half-life', '1s', '--time', 't'];
    const slow = await csv(rows(1000), ...flags);
    const byCount = await csv('t,x\n0,1\n1,2\n2,4\n3,8\n', '--method', 'ewma', '--half-life', '1', '--features', 'x');
    const last = (stdout: string) => Number(rowsOf(stdout)[3].split(',')[1]);
    expect(last(slow.stdout)).toBeCloseTo(last(byCount.stdout), 10);
    expect(last((await csv(rows(1), ...flags)).stdout)).not.toBeCloseTo(last(slow.stdout), 3);
  });

  test('a batch of one row with --single error is bad data', async () => {
    const { code, stdout, stderr } = await csv('x\n1\n3\n5\n', '--size', '2', '--single', 'error', '--eps', '0');
    expect({ code, stdout }).toEqual({ code: 65, stdout: 'x\n-1\n1\n' });
    expect(stderr).toMatch(/requires more than 1 row a batch/);
  });

  test.each([
    [['--momentum', '0.9'], /no option --momentum.*two opposite meanings.*--alpha 0\.9.*--retain 0\.9/],
    [['--alpha', '0.1', '--retain', '0.9'], /exactly one rate, got alpha and retain/],
    [['--alpha', '1.5'], /alpha in \(0, 1\], got 1\.5/],
    [['--alpha', 'fast'], /--alpha.*'fast' is invalid\. It must be a number/],
    [['--size', '0'], /size to be a whole number >= 1, got 0/],
    [['--size', '2000000'], /--size 2000000 requires a --max-pending/],
    [['--half-life', '30s'], /halfLife to be a number/],
    [['--method', 'ewma', '--half-life', 'soon'], /halfLife to be a number of ms/],
    [['--method', 'cumulative', '--size', '5'], /--method cumulative has no --size; it has --eps, --clip, --order/],
    [['--method', 'ewma', '--within', '2s'], /--method ewma has no --within; it has/],
    [['--within', 'soon'], /within to be a number of ms > 0 or '250ms'/],
    [['--method', 'best'], /'best' is invalid\. There are batch, /],
    [['--method', 'frozen'], /frozen requires mean and variance or std, or a saved state/],
    [['--method', 'frozen', '--state', 'nowhere.json'], /nowhere\.json does not exist/],
    [['--method', 'frozen', '--state', 'nowhere.json', '--mean', '1', '--std', '1'], /--state or --mean, not both/],
    [['--weight', '1,x'], /must be a number/],
    [['--renorm', '3'], /two numbers: rMax,dMax/],
    [['--renorm', '0.5,1'], /renorm.rMax to be >= 1, got 0.5/],
    [['--missing', 'zero'], /missing to be one of nan, error, dropRow, mean, got 'zero'/],
    [
      ['--method', 'ewma', '--until-ready', 'hold'],
      /untilReady 'null', 'pass' or 'prior', got 'hold': rows leave at once here/,
    ],
    [['--order', 'any'], /--method batch has no --order/],
    [['--method', 'cumulative', '--order', 'any'], /order to be one of score-then-learn, learn-then-score, got 'any'/],
    [['--features', 'a,,b'], /It must be names between commas/],
    [['--features', 'a,a'], /features to differ/],
    [['--max-pending', '0'], /It must be a whole number >= 1/],
    [['--format', 'xml'], /'xml' is invalid\. Allowed choices are ndjson, csv/],
    [['--fast'], /unknown option '--fast'/],
    [['file.csv'], /too many arguments/],
  ])('a wrong command line ends with 2 and says why: %j', async (flags, message) => {
    const { code, stdout, stderr } = await runCli(['pipe', ...flags], '1\n');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^streamnorm pipe: /);
    expect(stderr.replaceAll('\n', ' ')).toMatch(message);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test('--last without a method that has it is answered', async () => {
    if ('last' in METHOD_OPTIONS) return;
    const { code, stderr } = await runCli(['pipe', '--last', '5'], '1\n');
    expect(code).toBe(2);
    expect(stderr).toMatch(/--last belongs to --method rolling/);
  });
});

describe('--drift', () => {
  const steps = Array.from({ length: 200 }, (_, i) => (i % 3) + (i < 100 ? 0 : 100));
  const input = `k,x\n${steps.map((x) => `a,${x}`).join('\n')}\n`;
  const event = { type: 'drift', row: 128, feature: 'x', kind: 'increase', detector: 'adwin', action: 'reset' };

  test('tells on standard error what it finds, one JSON object a line, and acts when asked', async () => {
    const flags = ['--features', 'x', '--method', 'cumulative', '--until-ready', 'pass'];
    const { stdout, stderr, code } = await csv(input, ...flags, '--drift', 'adwin', '--on-drift', 'reset');
    expect(code).toBe(0);
    expect(
      stderr
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([expect.objectContaining(event)]);
    const rows = rowsOf(stdout);
    // the row that shows it is scored by what was before, the next is not ready
    expect(rows.slice(127, 129)).toEqual([expect.not.stringContaining('a,101'), `a,${steps[128]}`]);
  });

  test('--events writes to a file, with the key where there are keys', async () => {
    const events = file('events.ndjson');
    const flags = ['--key', 'k', '--method', 'ewma', '--drift', 'adwin', '--on-drift', 'faster', '--events', events];
    const { stderr, code } = await csv(input, ...flags);
    expect([code, stderr]).toEqual([0, '']);
    const lines = readFileSync(events, 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ ...event, key: 'a', action: 'faster' }),
    ]);
  });

  test('two runs with one state find what one run finds', async () => {
    const state = file('drift.json');
    const flags = ['--features', 'x', '--size', '10', '--drift', 'adwin', '--on-drift', 'reset', '--state', state];
    const lines = input.trimEnd().split('\n');
    const part = (from: number, to: number) => `k,x\n${lines.slice(from + 1, to + 1).join('\n')}\n`;
    expect((await csv(part(0, 110), ...flags)).stderr).toBe('');
    const { stderr } = await csv(part(110, 200), ...flags);
    expect(JSON.parse(stderr)).toMatchObject({ ...event, row: 18 });
  });

  test('without --drift its options are refused', async () => {
    for (const flags of [
      ['--events', 'e.ndjson'],
      ['--on-drift', 'reset'],
      ['--drift', 'ddm'],
    ]) {
      const { code, stderr } = await csv(input, ...flags);
      expect([flags, code]).toEqual([flags, 2]);
      expect(stderr).toMatch(/drift/);
    }
  });
});

describe('help', () => {
  test('pipe --help names every method and every option of the core, once', async () => {
    const { code, stdout } = await runCli(['pipe', '--help']);
    expect(code).toBe(0);
    for (const name of METHOD_NAMES) expect(stdout).toContain(`${name}:`);
    for (const name of Object.keys(METHOD_OPTIONS)) {
      const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      expect(stdout.match(new RegExp(`^  ${flag}(?![-\\w])`, 'gm')), flag).toHaveLength(1);
    }
    expect(stdout).toMatch(/\$ streamnorm pipe/);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  test('--version prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await runCli(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  test('no command, and an unknown one, are wrong', async () => {
    expect((await runCli([])).code).toBe(2);
    const { code, stderr } = await runCli(['pip']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/unknown command 'pip'/);
  });
});

/** Input that is given chunk by chunk. */
class Feed implements AsyncIterator<Buffer> {
  #deliver: ((result: IteratorResult<Buffer>) => void) | undefined;
  #taken: (() => void) | undefined;

  next(): Promise<IteratorResult<Buffer>> {
    this.#taken?.();
    return new Promise((resolve) => {
      this.#deliver = resolve;
    });
  }

  /** Resolves once the chunk has been worked on. */
  give(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#taken = resolve;
      this.#deliver?.({ done: false, value: Buffer.from(text) });
    });
  }

  end(): void {
    this.#deliver?.({ done: true, value: undefined });
  }
}

test('--within closes a batch so long after its first row came', async () => {
  const stdout = new PassThrough();
  const notices = new Notices('pipe', { stdout, stderr: new PassThrough() });
  const clock = new HandClock();
  const input = new Feed();
  const options = {
    format: 'ndjson' as const,
    method: 'batch' as const,
    normalizer: { size: 3, eps: 0, within: 100 },
    maxPending: 1000,
    saved: new Map(),
  };
  const told = { bad: new BadLines(notices), keptOut: new KeptOut(notices, undefined), rejects: undefined, notices };
  const done = pipe(input, options, { output: new Output(stdout), ...told, clock });
  const nextText = () => new Promise((resolve) => stdout.once('data', (chunk) => resolve(String(chunk))));

  await input.give('1\n');
  expect(await clock.next()).toBe(100);
  clock.advanceTo(60);
  await input.give('3\n');
  let text = nextText();
  clock.advanceTo(100);
  expect(await text).toBe('-1\n1\n');

  // a batch that is full closes at once, and the next one has a time of its own
  clock.advanceTo(150);
  text = nextText();
  await input.give('1\n2\n3\n5\n');
  expect(await text).toMatch(/^-1\.2\d*\n0\n1\.2\d*\n$/);
  expect(await clock.next()).toBe(250);
  text = nextText();
  clock.advanceTo(250);
  expect(await text).toBe('0\n');

  await input.give('7\n');
  text = nextText();
  input.end();
  expect(await text).toBe('0\n');
  expect(await done).toMatchObject({ rows: 7 });
});
