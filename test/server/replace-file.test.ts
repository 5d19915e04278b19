import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { replaceFile } from '../../src/server/replace-file.ts';
import { stateDir } from './state-dir.ts';

test('replaceFile makes a file and replaces it, keeps its mode, and leaves nothing beside it', async () => {
  const dir = stateDir();
  const file = join(dir, 'a');
  await replaceFile(file, 'one');
  chmodSync(file, 0o600);
  const { ino } = statSync(file);
  await replaceFile(file, Buffer.from('two'));
  expect(readFileSync(file, 'utf8')).toBe('two');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  // another file in its place: whoever has the former one open reads all of it
  expect(statSync(file).ino).not.toBe(ino);
  expect(readdirSync(dir)).toEqual(['a']);
});

test('replaceFile leaves a link where it is and replaces what it leads to', async () => {
  const dir = stateDir();
  mkdirSync(join(dir, 'other'));
  writeFileSync(join(dir, 'other/b'), 'one');
  symlinkSync('other/b', join(dir, 'a'));
  await replaceFile(join(dir, 'a'), 'two');
  expect(readFileSync(join(dir, 'other/b'), 'utf8')).toBe('two');
  expect(readdirSync(join(dir, 'other'))).toEqual(['b']);
});

test('replaceFile writes to what is no regular file', async () => {
  await replaceFile('/dev/null', 'gone');
  expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  expect(readdirSync('/dev').filter((name) => name.startsWith('null.'))).toEqual([]);
});

test('replaceFile that fails leaves the former file and nothing else', async () => {
  const dir = stateDir();
  mkdirSync(join(dir, 'taken'));
  await expect(replaceFile(join(dir, 'none/a'), 'x')).rejects.toThrow('ENOENT');
  const full = '/dev/full';
  if (existsSync(full)) await expect(replaceFile(full, 'x')).rejects.toThrow('ENOSPC');
  expect(readdirSync(dir)).toEqual(['taken']);
});
