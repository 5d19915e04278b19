import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { Notices } from '../../src/cli/notices.ts';

function stream(isTTY: boolean) {
  const said: string[] = [];
  const write = (chunk: Buffer, _: string, done: () => void) => {
    said.push(String(chunk));
    done();
  };
  return Object.assign(new Writable({ write }), { isTTY, said });
}

test('progress is shown on a terminal, at most every half second, and erased before a line', () => {
  const stderr = stream(true);
  const notices = new Notices('pipe', { stderr, stdout: stream(false) });
  notices.progress(0, () => '1 row');
  notices.progress(499, () => '2 rows');
  notices.progress(500, () => '3 rows');
  notices.line('line 3: bad');
  notices.clear();
  expect(stderr.said.join('')).toBe(
    '\r\x1b[Kstreamnorm pipe: 1 row\r\x1b[Kstreamnorm pipe: 3 rows\r\x1b[Kstreamnorm pipe: line 3: bad\n',
  );
});

test.each([
  ['standard error is no terminal', false, false],
  ['rows go to the same terminal', true, true],
])('no progress when %s', (_, onStderr, onStdout) => {
  const stderr = stream(onStderr);
  const notices = new Notices('pipe', { stderr, stdout: stream(onStdout) });
  notices.progress(0, () => '1 row');
  notices.clear();
  expect(stderr.said).toEqual([]);
});
