import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { stampsOf, watchFiles } from '../../src/server/watched-files.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'streamnorm-watched-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

test('what changes after the stamps and before the first look is told', async () => {
  const file = join(folder(), 'a');
  writeFileSync(file, 'one');
  const stamps = await stampsOf([file]);
  writeFileSync(`${file}.next`, 'two');
  renameSync(`${file}.next`, file);
  await new Promise<void>((told) => {
    onTestFinished(watchFiles([file], stamps, 1, async () => told()));
  });
});

test('a file that comes, changes and goes is told each time, and what happens while it is told is told after it', async () => {
  const file = join(folder(), 'a');
  const steps = [() => writeFileSync(file, 'one'), () => writeFileSync(file, 'three'), () => rmSync(file)];
  let told = 0;
  await new Promise<void>((done) => {
    const changed = async () => {
      told++;
      const next = steps.shift();
      if (next === undefined) done();
      else next();
    };
    const first = steps.shift() as () => void;
    stampsOf([file]).then((stamps) => {
      onTestFinished(watchFiles([file], stamps, 1, changed));
      first();
    });
  });
  expect(told).toBe(3);
});
