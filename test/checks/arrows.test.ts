import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { arrowViolations, importsOf, ROOMS } from './arrows.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
const sources = Object.fromEntries(
  readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => [file, readFileSync(join(root, 'src', file), 'utf8')]),
);

test('src keeps to the arrows of the house', () => {
  expect(Object.keys(sources)).toContain('errors.ts');
  expect(arrowViolations(sources, declared)).toEqual([]);
});

test('reading the text finds every import that esbuild finds', async () => {
  const { metafile } = await build({
    absWorkingDir: join(root, 'src'),
    entryPoints: Object.keys(sources),
    bundle: true,
    metafile: true,
    write: false,
    outdir: 'unused',
    format: 'esm',
    logLevel: 'silent',
    plugins: [
      {
        name: 'leave every import alone',
        setup: ({ onResolve }) =>
          onResolve({ filter: /.*/ }, ({ kind, path }) =>
            kind === 'entry-point' ? undefined : { path, external: true },
          ),
      },
    ],
  });
  for (const [file, { imports }] of Object.entries(metafile.inputs)) {
    expect(importsOf(sources[file]!), file).toEqual(expect.arrayContaining(imports.map(({ path }) => path)));
  }
});

describe('what is forbidden is found', () => {
  /** One file of each room, so that only the arrow is at fault and not a missing target. */
  const house = Object.fromEntries(Object.keys(ROOMS).map((room) => [fileOf(room), '']));

  function fileOf(room: string): string {
    return room === 'errors' || room === 'index' ? `${room}.ts` : `${room}/part.ts`;
  }

  function violationsOf(file: string, source: string, more: Record<string, string> = {}): string[] {
    return arrowViolations({ ...house, ...more, [file]: source }, ['rxjs', 'ws', 'zod', 'commander']);
  }

  const rooms = Object.keys(ROOMS);
  const arrows = rooms.flatMap((from) =>
    rooms.filter((to) => to !== from && to !== 'index').map((to) => [from, to] as const),
  );
  test.each(arrows)('%s → %s is allowed or found, as the table says', (from, to) => {
    const up = fileOf(from).includes('/') ? '../' : './';
    const found = violationsOf(fileOf(from), `import type { X } from '${up}${fileOf(to)}';`);
    expect(found).toEqual(
      ROOMS[from]!.rooms.includes(to) ? [] : [`${fileOf(from)}: ${from} may not import ${fileOf(to)}`],
    );
  });

  test.each([
    ['core/part.ts', "import { Observable } from 'rxjs';", 'core may not import rxjs'],
    ['core/part.ts', "export { map } from 'rxjs/operators';", 'core may not import rxjs/operators'],
    ['core/part.ts', "import 'node:fs';", 'core may not import node:fs'],
    ['operators/part.ts', "const fs = await import('node:fs');", 'operators may not import node:fs'],
    ['operators/part.ts', "import fs from 'fs';", 'operators may not import fs'],
    ['index.ts', "import {\n  readFile,\n} from 'node:fs/promises';", 'index may not import node:fs/promises'],
    ['websocket/part.ts', "import WebSocket from 'ws';", 'websocket may not import ws'],
    ['websocket/part.ts', "import { Buffer } from 'node:buffer';", 'websocket may not import node:buffer'],
    ['exchange/part.ts', "import { of } from 'rxjs';", 'exchange may not import rxjs'],
    ['nats/part.ts', "import * as z from 'zod';", 'nats may not import zod'],
    ['server/part.ts', "import fc from 'fast-check';", 'server may not import fast-check'],
    ['server/part.ts', "import { exit } from 'node:process';", 'server may not use process'],
    ['server/part.ts', 'process.exit(1);', 'server may not use process'],
    ['server/part.ts', 'console.log(1);', 'server may not use console'],
    ['server/part.ts', 'globalThis.process.exit(1);', 'server may not use process'],
    ['server/part.ts', "import x from '../../package.json';", 'imports ../package.json, which lies outside of src'],
    ['server/part.ts', "import x from './gone.ts';", 'imports server/gone.ts, which does not exist'],
    ['cli/part.ts', 'await import(name);', 'import() of a name that is not written out'],
    ['core/part.ts', 'const now = Date.now();', 'core may not use Date'],
    ['core/part.ts', 'const now = new Date();', 'core may not use Date'],
    ['core/part.ts', 'setTimeout(() => {}, 1);', 'core may not use setTimeout'],
    ['operators/part.ts', 'const t = performance.now();', 'operators may not use performance'],
    ['utils/part.ts', '', 'lies in no room of the house'],
    ['helpers.ts', '', 'lies in no room of the house'],
  ])('%s with %j', (file, source, complaint) => {
    expect(violationsOf(file, source)).toEqual([`${file}: ${complaint}`]);
  });

  test('an index.ts imported from within', () => {
    const violations = violationsOf('server/part.ts', "import { x } from '../websocket/index.ts';", {
      'websocket/index.ts': '',
    });
    expect(violations).toEqual(['server/part.ts: imports websocket/index.ts; an index.ts is for users of the package']);
  });

  test('a cycle, of types too', () => {
    const violations = violationsOf('core/part.ts', "import type { B } from './b.ts';", {
      'core/b.ts': "export { c } from './c.ts';",
      'core/c.ts': "import { a } from './part.ts';",
    });
    expect(violations).toEqual(['cycle: core/part.ts > core/b.ts > core/c.ts > core/part.ts']);
  });

  test('ws in one file of its room is not', () => {
    expect(violationsOf('websocket/ws-socket.ts', "import { WebSocket } from 'ws';")).toEqual([]);
  });

  test('and what only looks forbidden is not', () => {
    const source = [
      '/** import { of } from "rxjs"; process.exit(1) */',
      "// import fs from 'node:fs'",
      "const url = 'ws://host'; // import 'ws'",
      "const text = 'console.log(1)';",
      "const quote = /['\"]/; // import 'ws'",
      'const o = { process: 1, console: 2 }; o.process.toFixed();',
      'class A { process(rows: number[]): void { this.process(rows); } }',
      'function f(time: Date): number { return time.getTime(); }',
      'import.meta.url;',
    ].join('\n');
    expect(violationsOf('core/part.ts', source)).toEqual([]);
  });
});
