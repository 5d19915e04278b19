import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BatchNorm } from '../../src/core/batch-norm.ts';
import { runCli } from './run-cli.ts';

const csv = (input: string | Buffer | readonly Buffer[], ...flags: string[]) =>
  runCli(['pipe', '--format', 'csv', '--size', '2', '--eps', '0', ...flags], input);

test('pipe replaces the features of CSV and leaves every other byte as it is', async () => {
  const { code, stdout, stderr } = await csv('t,name,x,y\n1, a ,1,10\n2,"b,c",3,30\n', '--features', 'x,y');
  expect(stdout).toBe('t,name,x,y\n1, a ,-1,-1\n2,"b,c",1,1\n');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('pipe writes the features to their own columns, whatever their order in --features', async () => {
  const { stdout } = await csv('a,b,c\n1,10,5\n3,40,5\n', '--features', 'b,a');
  expect(stdout).toBe('a,b,c\n-1,-1,5\n1,1,5\n');
});

test('pipe normalises every column that is a number in the first row, but time and key', async () => {
  const { stdout } = await csv('t,k,x,name,gap,y\n1,7,1,a,,inf\n2,7,3,b,4,5\n', '--time', 't', '--key', 'k');
  expect(stdout).toBe('t,k,x,name,gap,y\n1,7,-1,a,,\n2,7,1,b,4,0\n');
});

describe('CSV as it is found', () => {
  test.each([
    ['CRLF is kept', 'x\r\n1\r\n3\r\n', 'x\r\n-1\r\n1\r\n'],
    ['the last line may lack its break', 'x\n1\n3', 'x\n-1\n1'],
    ['the last line may end in a return', 'x\r\n1\r\n3\r', 'x\r\n-1\r\n1\r'],
    ['a byte order mark is kept and no part of a name', '\ufeffx,s\n1,a\n3,b\n', '\ufeffx,s\n-1,a\n1,b\n'],
    ['nothing gives nothing', '', ''],
    ['a header alone is passed on', 'x,y\n', 'x,y\n'],
    ['a header without a break is passed on', 'x,y', 'x,y'],
    ['blank lines are left out', 'x,y\n\n1,1\n\r\n3,3\n\n', 'x,y\n-1,-1\n1,1\n'],
    ['in one column a blank line is a row without a value', 'x\n1\n\n3\n5\n', 'x\n0\n\n-1\n1\n'],
    ['quotes around a number go', 's,x\na,"1"\nb,"3"\n', 's,x\na,-1\nb,1\n'],
    ['quotes, commas, breaks in quotes are kept', 's,x\n"a ""b"", c\nd",1\n"",3\n', 's,x\n"a ""b"", c\nd",-1\n"",1\n'],
    ['a quote inside a field is a character', 's,x\n5" pipe,1\n6" pipe,3\n', 's,x\n5" pipe,-1\n6" pipe,1\n'],
    ['names in quotes are names', '"x, y",s\n1,a\n3,b\n', '"x, y",s\n-1,a\n1,b\n'],
    ['other alphabets are kept', 'x,naïve\n1,日本\n3,é\n', 'x,naïve\n-1,日本\n1,é\n'],
    ['spaces around numbers go with them', 's,x\na, 1\nb,3 \n', 's,x\na,-1\nb,1\n'],
  ])('%s', async (_, input, output) => {
    const { code, stdout, stderr } = await csv(input);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: output, stderr: '' });
  });

  test('bytes that are no UTF-8 are kept', async () => {
    const { bytes } = await csv(Buffer.from('x,stra\xdfe\n1,\xfc\n3,\xff\n', 'latin1'), '--features', 'x');
    expect(bytes).toBe('x,stra\xdfe\n-1,\xfc\n1,\xff\n');
  });

  test('columns can be named in UTF-8', async () => {
    const { stdout } = await csv('température,s\n1,a\n3,b\n', '--features', 'température');
    expect(stdout).toBe('température,s\n-1,a\n1,b\n');
  });
});

test.each(['', 'NaN', 'nan', 'null', 'NA', '""'])(
  'pipe takes the field %j as missing: empty in the output',
  async (field) => {
    const { stdout, stderr } = await csv(`x,y\n1,1\n${field},3\n3,5\n7,7\n`, '--size', '4');
    const [, , missing] = stdout.split('\n');
    expect(missing).toMatch(/^,-0\.4/);
    expect(stderr).toBe('');
  },
);

test.each(['inf', '-Infinity', '1e309', '1e200'])(
  'pipe leaves %s out of the statistics and counts it',
  async (field) => {
    const { code, stdout, stderr } = await csv(`x,y\n1,1\n${field},3\n3,5\n`, '--size', '3');
    expect(stdout).toMatch(/^x,y\n-1,-1\.22\d*\n,0\n1,1\.22\d*\n$/);
    expect(stderr).toBe('streamnorm pipe: 3 rows; 1 value infinite or too large, left out of the statistics\n');
    expect(code).toBe(0);
  },
);

describe('a bad line is reported with its number, counted and left out', () => {
  test.each([
    ['12abc,1', "x is '12abc', not a number"],
    ['0x10,1', "x is '0x10', not a number"],
    ['1_000,1', "x is '1_000', not a number"],
    ['1', '1 field, the header has 2'],
    ['1,2,3', '3 fields, the header has 2'],
    ['"1"2,3', 'a quote is not closed, or text follows a closing quote'],
  ])('%s', async (line, complaint) => {
    const { code, stdout, stderr } = await csv(`x,y\n1,1\n${line}\n3,3\n`);
    expect(stdout).toBe('x,y\n-1,-1\n1,1\n');
    expect(stderr).toBe(`streamnorm pipe: line 3: ${complaint}\nstreamnorm pipe: 2 rows; 1 bad line left out\n`);
    expect(code).toBe(0);
  });

  test('line numbers count the breaks within quotes, blank lines and bad lines', async () => {
    const { stderr } = await csv('s,x\n"a\n\nb",1\n\nc,bad\nd\ne,oops\n');
    expect(stderr.match(/line \d+/g)).toEqual(['line 6', 'line 7', 'line 8']);
  });

  test('a quote that is never closed costs one line', async () => {
    const { stdout, stderr } = await csv('s,x\na,1\n"b,2\nc,3\n');
    expect(stdout).toBe('s,x\na,-1\nc,1\n');
    expect(stderr).toMatch(/line 3: a quote is not closed/);
  });

  test('a line that never ends is cut at 1 MiB', async () => {
    const endless = Buffer.alloc(3 * 1024 * 1024, 'a');
    const { stdout, stderr } = await csv([Buffer.from('s,x\na,1\n'), endless, Buffer.from(',2\nc,3\n')]);
    expect(stdout).toBe('s,x\na,-1\nc,1\n');
    expect(stderr).toMatch(/line 3: the line is longer than 1 MiB/);
  });

  test('the first 20 are shown, all are counted', async () => {
    const { stderr } = await csv(`x,y\n1,1\n${'bad,1\n'.repeat(50)}3,3\n`);
    const lines = stderr.trimEnd().split('\n');
    expect(lines.filter((line) => /line \d+:/.test(line))).toHaveLength(20);
    expect(lines.slice(20)).toEqual([
      'streamnorm pipe: more bad lines are only counted',
      'streamnorm pipe: 2 rows; 50 bad lines left out',
    ]);
  });

  test('what is quoted of it cannot steer the terminal', async () => {
    const { stderr } = await csv('s,x\na,1\nb,\x1b[2J\x9b\n');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    expect(stderr).toContain('\\u001b[2J');
  });
});

test('with --strict the first bad line ends the run with 65, after the rows before it', async () => {
  const { code, stdout, stderr } = await csv('x,y\n1,1\n3,3\n5,5\nbad,1\n7,7\n', '--strict');
  expect(stdout).toBe('x,y\n-1,-1\n1,1\n0,0\n');
  expect(stderr).toBe("streamnorm pipe: line 5: x is 'bad', not a number\n");
  expect(code).toBe(65);
});

test.each([
  [['--features', 'z'], "the header has no feature 'z'; it has x, y"],
  [['--key', 'z'], "the header has no key 'z'; it has x, y"],
  [['--time', 'z'], "the header has no time 'z'; it has x, y"],
])('a column that is not there is bad data: %j', async (flags, message) => {
  const { code, stderr } = await csv('x,y\n1,2\n', ...flags);
  expect({ code, stderr }).toEqual({ code: 65, stderr: `streamnorm pipe: ${message}\n` });
});

test('no numeric column in the first row is bad data', async () => {
  const { code, stderr } = await csv('a,b\nx,y\n');
  expect(code).toBe(65);
  expect(stderr).toMatch(/no column is a number; name the columns with --features/);
});

test('a time that is neither ms nor an ISO date makes a bad line', async () => {
  const { stdout, stderr } = await csv('t,x\n2010-07-10T09:30:05Z,1\nyesterday,2\n5,3\n', '--time', 't');
  expect(stdout).toBe('t,x\n2010-07-10T09:30:05Z,-1\n5,1\n');
  expect(stderr).toMatch(/line 3: t is 'yesterday', not a number of ms or an ISO date/);
});

/** Fields as programs write them: numbers, nothing, text in and out of quotes, broken rows. */
const line = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(
      fc.double({ noNaN: true }),
      fc.constantFrom('a', '"b,c"', '"d\ne"', '"f""g"', ''),
      fc.integer(),
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom([''], ['1', 'x'], ['bad', 'x', '1'], ['"1', 'x', '2'], ['1', '"x"y', '2']) },
);

test('what pipe writes does not depend on how the input is cut into chunks', async () => {
  const cuts = fc.array(fc.nat(400), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 25 }), cuts, fc.constantFrom('\n', '\r\n'), async (rows, at, eol) => {
      const bytes = Buffer.from(['x,s,y', '1,a,2', ...rows.map((fields) => fields.join(','))].join(eol));
      const whole = await csv([bytes], '--features', 'x,y');
      const ends = [...new Set([0, ...at.filter((n) => n < bytes.length), bytes.length])].sort((a, b) => a - b);
      const pieces = ends.slice(1).map((end, i) => bytes.subarray(ends[i], end));
      expect(await csv(pieces, '--features', 'x,y')).toEqual(whole);
      expect(
        await csv(
          Array.from(bytes, (byte) => Buffer.from([byte])),
          '--features',
          'x,y',
        ),
      ).toEqual(whole);
    }),
    { numRuns: 150 },
  );
});

test('pipe computes what BatchNorm computes, and its numbers read back to the same float64', async () => {
  const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 40 }), async (rows) => {
      const { stdout } = await runCli(
        ['pipe', '--format', 'csv', '--size', '7', '--features', 'x,y'],
        `x,y\n${rows.map((row) => row.join(',')).join('\n')}\n`,
      );
      const model = new BatchNorm({ features: 2 });
      const expected: number[][] = [];
      for (let i = 0; i < rows.length; i += 7) expected.push(...model.train(rows.slice(i, i + 7)));
      const actual = stdout
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((text) => text.split(',').map(Number));
      expect(actual).toEqual(expected.map((row) => row.map((z) => z + 0)));
    }),
    { numRuns: 100 },
  );
});

test('a line with text behind a quote is in --rejects whole, wherever the input is cut', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'streamnorm-rejects-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const rejects = join(folder, 'rejects.csv');
  for (const end of ['', '\n']) {
    await csv(`s,x\na,1\n"1"2,3${end}`, '--features', 'x', '--rejects', rejects);
    expect(readFileSync(rejects, 'utf8').trimEnd()).toBe('s,x\n"1"2,3');
  }
});

test('of two failures at the end the first is told, and the rows before it are written', async () => {
  const { code, stdout, stderr } = await csv('x\n1\n2\n3\nbad\n', '--single', 'error', '--strict');
  expect([code, stdout]).toEqual([65, 'x\n-1\n1\n']);
  expect(stderr).toContain("x is 'bad', not a number");
});

test('windows without a size need no room for one', async () => {
  const { code } = await runCli(['pipe', '--format', 'csv', '--gap', '5s', '--max-pending', '32'], 'x\n1\n2\n');
  expect(code).toBe(0);
});
