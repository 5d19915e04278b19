import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { jsonLog } from '../../src/cli/serve-log.ts';
import type { LogEntry } from '../../src/server/log.ts';

function memory() {
  let text = '';
  const stderr = new Writable({
    write(chunk, _, done) {
      text += chunk;
      done();
    },
  });
  return {
    stderr,
    lines: () =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
  };
}

const entry = (fields: LogEntry['fields'], message = 'm'): LogEntry => ({
  ...{ level: 'warn', event: 'connection.refused', fields, message },
});

test('entries before pino is loaded come out in order, with those after it', async () => {
  const { stderr, lines } = memory();
  const log = jsonLog(stderr);
  log.sink(entry({ n: 0 }));
  log.sink(entry({ n: 1 }));
  await log.flushed();
  log.sink(entry({ n: 2 }));
  expect(lines().map(({ n }) => n)).toEqual([0, 1, 2]);
});

test('what opens a door is blanked wherever it stands', async () => {
  const { stderr, lines } = memory();
  const log = jsonLog(stderr);
  for (const name of ['authorization', 'cookie', 'password', 'secret', 'token']) {
    log.sink(entry({ [name]: 'hunter2', headers: { [name]: 'hunter2' } }));
  }
  await log.flushed();
  expect(lines()).toHaveLength(5);
  expect(JSON.stringify(lines())).not.toContain('hunter2');
});

test('an entry is one line, whatever is in it; a bug has its stack in err', async () => {
  const { stderr, lines } = memory();
  const log = jsonLog(stderr);
  const error = new Error('two\nlines');
  log.sink({ level: 'error', event: 'bug', message: `a bug: ${error.stack}`, fields: {}, error });
  await log.flushed();
  expect(lines()).toEqual([expect.objectContaining({ level: 'error', event: 'bug', msg: 'a bug: Error: two' })]);
  expect(lines()[0].err.stack).toContain('serve-log.test.ts');
});
