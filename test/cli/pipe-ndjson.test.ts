import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { runCli } from './run-cli.ts';

const ndjson = (input: string | readonly Buffer[], ...flags: string[]) =>
  runCli(['pipe', '--size', '2', '--eps', '0', ...flags], input);

test.each([
  ['numbers', '1\n3\n', '-1\n1\n'],
  ['lists', '[1, 10]\n[3,null]\n', '[-1, 0]\n[1,null]\n'],
  ['records', '{"x":1,"s":"a"}\n{"x":3,"s":"b"}\n', '{"x":-1,"s":"a"}\n{"x":1,"s":"b"}\n'],
])('pipe normalises %s and gives back what it took', async (_, input, output) => {
  expect(await ndjson(input)).toMatchObject({ code: 0, stdout: output, stderr: '' });
});

test('pipe takes the numeric fields of the first record, but time and key', async () => {
  const input = '{"t":1,"k":5,"x":1,"s":"1","n":null}\n{"t":2,"k":5,"x":3,"s":"2","n":7}\n';
  const { stdout } = await ndjson(input, '--time', 't', '--key', 'k');
  expect(stdout).toBe('{"t":1,"k":5,"x":-1,"s":"1","n":null}\n{"t":2,"k":5,"x":1,"s":"2","n":7}\n');
});

describe('everything but the features stays as it was', () => {
  test.each([
    [
      'order of keys that look like numbers',
      '{"b":0,"2":0,"x":1}\n{"1":0,"x":3}',
      '{"b":0,"2":0,"x":-1}\n{"1":0,"x":1}',
    ],
    [
      'digits of long numbers',
      '{"id":12345678901234567890,"x":1.0}\n{"id":1.10,"x":3}',
      '{"id":12345678901234567890,"x":-1}\n{"id":1.10,"x":1}',
    ],
    ['spaces', ' { "x" : 1 , "a" : [ ] } \n{"x":3}', ' { "x" : -1 , "a" : [ ] } \n{"x":1}'],
    [
      'nested fields of the same name',
      '{"a":{"x":5,"s":"}"},"x":1}\n{"a":[{"x":[1]}],"x":3}',
      '{"a":{"x":5,"s":"}"},"x":-1}\n{"a":[{"x":[1]}],"x":1}',
    ],
    [
      'text with quotes and backslashes',
      '{"s":"\\"x\\":9,\\\\","x":1}\n{"s":"{","x":3}',
      '{"s":"\\"x\\":9,\\\\","x":-1}\n{"s":"{","x":1}',
    ],
    ['escaped characters', '{"s":"\\u00e9","x":1}\n{"s":"é","x":3}', '{"s":"\\u00e9","x":-1}\n{"s":"é","x":1}'],
    ['a field that is absent', '{"x":1}\n{"y":2}\n{"x":3}', '{"x":0}\n{"y":2}\n{"x":0}'],
    ['CRLF', '{"x":1}\r\n{"x":3}\r\n', '{"x":-1}\r\n{"x":1}\r\n'],
    [
      'dangerous names',
      '{"__proto__":1,"x":1}\n{"constructor":2,"x":3}',
      '{"__proto__":1,"x":-1}\n{"constructor":2,"x":1}',
    ],
  ])('%s', async (_, input, output) => {
    expect(await ndjson(input, '--features', 'x')).toMatchObject({ code: 0, stdout: output, stderr: '' });
  });

  test('of a field given twice the last one counts, as in JSON.parse', async () => {
    const { stdout } = await ndjson('{"x":7,"x":1}\n{"x":3}\n');
    expect(stdout).toBe('{"x":7,"x":-1}\n{"x":1}\n');
  });

  test('a feature may have a name that must be escaped, or that objects inherit', async () => {
    const { stdout } = await ndjson(
      '{"a\\"b":1,"toString":5}\n{"a\\u0022b":3}\n{"a\\"b":5,"toString":7}',
      '--features',
      'a"b,toString',
      '--size',
      '3',
    );
    expect(stdout).toMatch(
      /^\{"a\\"b":-1\.22\d*,"toString":-1\}\n\{"a\\u0022b":0\}\n\{"a\\"b":1\.22\d*,"toString":1\}$/,
    );
  });
});

test.each([
  ['nothing', '', ''],
  ['blank lines only', '\n \n\r\n', ''],
  ['blank lines between', '1\n\n  \n3\n', '-1\n1\n'],
  ['no last line break', '1\n3', '-1\n1'],
  ['a byte order mark', '\ufeff1\n3\n', '-1\n1\n'],
])('pipe of %s', async (_, input, output) => {
  expect(await ndjson(input)).toMatchObject({ code: 0, stdout: output, stderr: '' });
});

test('null is a missing value, in any place', async () => {
  expect((await ndjson('1\nnull\n3\n', '--size', '3')).stdout).toBe('-1\nnull\n1\n');
  expect((await ndjson('{"x":1}\n{"x":null}\n{"x":3}\n', '--size', '3')).stdout).toBe(
    '{"x":-1}\n{"x":null}\n{"x":1}\n',
  );
});

test('a number that overflows comes out as null and is counted', async () => {
  const { stdout, stderr } = await ndjson('1\n1e309\n-1e200\n3\n', '--size', '4');
  expect(stdout).toBe('-1\nnull\nnull\n1\n');
  expect(stderr).toMatch(/2 values infinite or too large/);
});

describe('a bad line is reported with its number, counted and left out', () => {
  test.each([
    ['{"x":1}\n', '{"x":2', 'not JSON: \'{"x":2\''],
    ['{"x":1}\n', '{"x":NaN}', 'not JSON: \'{"x":NaN}\''],
    ['{"x":1}\n', '{"x":"2"}', "x is '2', neither a number nor null"],
    ['{"x":1}\n', '{"x":[2]}', 'x is a list, neither a number nor null'],
    ['{"x":1}\n', '[2]', 'a list, not a record'],
    ['[1]\n', '[2,3]', 'a list of 2, the first has 1'],
    ['[1]\n', '[true]', 'item 0 is true, neither a number nor null'],
    ['[1]\n', '[]', 'an empty list'],
    ['[1]\n', '2', '2, not a list'],
    ['1\n', '"2"', "'2', not a number"],
    ['1\n', 'true', 'true, not a number'],
  ])('%j then %j', async (first, line, complaint) => {
    const { code, stdout, stderr } = await ndjson(`${first}\n${line}\n${first}`);
    expect(stdout).toBe(first.replace('1', '0').repeat(2));
    expect(stderr.split('\n')[0]).toBe(`streamnorm pipe: line 3: ${complaint}`);
    expect(code).toBe(0);
  });

  test('the first line that is good decides what the stream holds', async () => {
    const { stdout, stderr } = await ndjson('oops\n"text"\n1\n3\n');
    expect(stdout).toBe('-1\n1\n');
    expect(stderr.match(/line \d/g)).toEqual(['line 1', 'line 2']);
  });

  test('a line 200,000 levels deep costs nothing but itself', async () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000);
    const { stdout, stderr } = await ndjson(`{"x":1,"a":${deep}}\n${deep}\n{"x":3}\n`);
    expect(stdout).toBe(`{"x":-1,"a":${deep}}\n{"x":1}\n`);
    expect(stderr).toMatch(/line 2: a list, not a record/);
  });

  test('a line longer than 1 MiB is left out, however it comes', async () => {
    const long = Buffer.from(`"${'a'.repeat(1_100_000)}"\n`);
    const rows = [Buffer.from('1\n'), long, Buffer.from('3\n')];
    const { stdout, stderr } = await ndjson(rows);
    expect(stdout).toBe('-1\n1\n');
    expect(stderr).toMatch(/line 2: the line is longer than 1 MiB/);
    expect(await ndjson([Buffer.concat(rows)])).toEqual(await ndjson(rows));
  });
});

test('records without a numeric field are bad data', async () => {
  const { code, stderr } = await ndjson('{"s":"a"}\n');
  expect({ code, stderr }).toEqual({
    code: 65,
    stderr: 'streamnorm pipe: line 1: no field is a number; name the fields with --features\n',
  });
});

test('a record without its key or time is a bad line', async () => {
  const { stderr } = await ndjson(
    '{"k":"a","t":1,"x":1}\n{"t":2,"x":1}\n{"k":"a","x":1}\n',
    '--key',
    'k',
    '--time',
    't',
  );
  expect(stderr).toMatch(/line 2: k is absent, not a key\n.*line 3: t is absent, not a number of ms/);
});

const field = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null));
const recordLine = fc
  .record({ x: field, s: fc.string(), y: field }, { requiredKeys: [] })
  .map((record) => JSON.stringify(record));
const anyLine = fc.oneof(
  { weight: 5, arbitrary: recordLine },
  { weight: 1, arbitrary: fc.constantFrom('', '{', '[1]', '{"x":"1"}') },
);

test('what pipe writes does not depend on how the input is cut into chunks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyLine, { maxLength: 20 }),
      fc.array(fc.nat(300), { maxLength: 10 }),
      async (lines, at) => {
        const bytes = Buffer.from(lines.join('\n'));
        const whole = await ndjson([bytes], '--features', 'x,y');
        const ends = [...new Set([0, ...at.filter((n) => n < bytes.length), bytes.length])].sort((a, b) => a - b);
        const pieces = ends.slice(1).map((end, i) => bytes.subarray(ends[i], end));
        expect(await ndjson(pieces, '--features', 'x,y')).toEqual(whole);
      },
    ),
    { numRuns: 150 },
  );
});

test('every line of output is the line of input with other numbers in its features', async () => {
  const json = fc.json({ maxDepth: 3 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(json, fc.string()), { minLength: 1, maxLength: 10 }), async (parts) => {
      const lines = parts.map(([a, name], i) => `{"a":${a},${JSON.stringify(`_${name}`)}:[${a}],"x":${i},"b":${a}}`);
      const { stdout, stderr } = await ndjson(lines.join('\n'), '--features', 'x', '--size', '64');
      expect(stderr).toBe('');
      stdout.split('\n').forEach((text, i) => {
        const { x, ...rest } = JSON.parse(text);
        const { x: _, ...expected } = JSON.parse(lines[i]);
        expect(rest).toEqual(expected);
        expect(typeof x).toBe('number');
      });
    }),
    { numRuns: 100 },
  );
});
