import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { StreamnormError } from '../../src/errors.ts';
import type { Entry, Port } from '../../src/nats/port.ts';
import { run } from '../../src/nats/run.ts';
import { Model, type Run, type Scenario, text } from './model.ts';

const FAULTS = { lost: 0.04, unacknowledged: 0.04, stale: 0.1, crash: 0.01 };
const scenario = (seed: number): Scenario => ({ seed, owners: 1 + (seed % 3), messages: 22, faults: FAULTS });

/** Everything that must hold of one interleaving; undefined when it does. */
async function faultOf(run: Run, seed: number, tally?: Map<string, number>): Promise<string | undefined> {
  const model = new Model(scenario(seed));
  const outcome = await model.play(run);
  for (const name of ['crashes', 'fenced', 'steps'] as const) {
    tally?.set(name, (tally.get(name) ?? 0) + outcome[name]);
  }
  if (outcome.complaint !== undefined) return outcome.complaint;
  const { pieces, rejected, states } = model.expected();
  if (outcome.pieces.join() !== pieces.join()) return `pieces ${outcome.pieces.join()}\n, expected ${pieces.join()}`;
  if ([...outcome.rejected].sort().join() !== [...rejected].sort().join()) return 'other messages were rejected';
  const { checkpoint } = outcome;
  if (checkpoint === undefined) return 'there is no checkpoint';
  const state = text(checkpoint.state);
  if (state !== states.get(checkpoint.source)) return `the checkpoint of ${checkpoint.source} holds ${state}`;
  return undefined;
}

describe('run, on a model of a broker that loses, repeats, delays, answers with the past, and kills', () => {
  test('every piece comes out once and in order, in 3,000 interleavings of up to three owners', async () => {
    const tally = new Map<string, number>();
    for (let seed = 1; seed <= 3_000; seed++) {
      const fault = await faultOf(run, seed, tally);
      if (fault !== undefined) expect.fail(`seed ${seed}: ${fault}`);
    }
    // otherwise nothing has been tried
    expect(tally.get('crashes')).toBeGreaterThan(3_000);
    expect(tally.get('fenced')).toBeGreaterThan(3_000);
  }, 120_000);

  /** Bugs as people make them: what the source says, and what it says with the bug. */
  const BUGS: [string, string, string][] = [
    ['saves before the outputs have arrived', 'await chain.close(done);', ''],
    [
      'does not ask what is out already',
      'const tail = await port.tail();',
      'const tail = { ...(await port.tail()), source: 0, pieces: 0 };',
    ],
    [
      'sends what is out already once more',
      'if (source < tail.source) return;',
      'if (source < tail.source - 1) return;',
    ],
    ['forgets that some pieces of a message are out', 'source === tail.source ? tail.pieces : 0', '0'],
    ['takes the message of the checkpoint again', 'if (checkpoint > 0) entries = entries.slice(1);', ''],
    [
      'goes on in the same state after a failure',
      'const fold = open(saved?.state);',
      'const fold = (globalThis.kept ??= new WeakMap()).get(port) ?? open(saved?.state); globalThis.kept.set(port, fold);',
    ],
    [
      'trusts what it has folded while another one discarded messages',
      'let replayed = tail.source > checkpoint;',
      'let replayed = false;',
    ],
    ['leaves out a message that another owner was at', 'done = entry.seq;', 'done = entry.seq + 1;'],
    ['does not wait for what was sent before', 'await this.settle();\n    const content', 'const content'],
  ];

  test.each(BUGS)(
    'finds the bug of one that %s',
    async (_, right, wrong) => {
      const buggy = await runWith(right, wrong);
      for (let seed = 1; seed <= 400; seed++) {
        if ((await faultOf(buggy, seed)) !== undefined) return;
      }
      expect.fail('400 interleavings did not find it');
    },
    60_000,
  );
});

describe('run refuses, and says so, when', () => {
  const origin: Entry = { seq: 1, time: 0, data: new Uint8Array(), origin: true };
  const message = (seq: number): Entry => ({ seq, time: 0, data: new Uint8Array(), origin: false });
  const checkpoint = { source: 5, state: new Uint8Array(), revision: 1 };
  const none = { position: 0, source: 0, pieces: 0, end: 0 };
  const upTo5 = { position: 9, source: 5, pieces: 1, end: 3 };

  test.each<[string, Partial<Port>, string]>([
    [
      'outputs of the checkpoint are gone',
      { load: async () => checkpoint, tail: async () => ({ ...upTo5, source: 4 }) },
      'the outputs end at message 4, the checkpoint is of 5: outputs have been lost',
    ],
    [
      'the log has lost what comes after the checkpoint',
      { load: async () => checkpoint, tail: async () => upTo5, read: async () => [message(8)] },
      'the log begins with message 8 and no longer holds 5, the last of the checkpoint',
    ],
    [
      'the log has lost its beginning and there is no checkpoint',
      { read: async () => [message(8)] },
      'there is no checkpoint, and the log begins with message 8: its beginning has been discarded',
    ],
    ['the log is empty', { read: async () => [] }, 'the log does not hold its beginning'],
  ])('%s', async (_, verbs, said) => {
    const stop = new AbortController();
    const failures: unknown[] = [];
    const never = () => expect.fail('nothing may be written');
    const port: Port = {
      load: async () => undefined,
      tail: async () => none,
      read: async () => [origin],
      append: never,
      save: never,
      ...verbs,
    };
    const onFailure = (error: unknown) => {
      failures.push(error);
      stop.abort();
    };
    const open = () => ({ apply: () => expect.fail('nothing may be folded'), snapshot: never });
    await run(port, open, { onFailure }, stop.signal);
    expect(failures).toEqual([expect.objectContaining({ code: 'LOG_GAP', message: said })]);
  });

  test('a message that breaks the fold is set aside, and the fold begins again without it', async () => {
    const stop = new AbortController();
    const aside: number[] = [];
    const out: string[] = [];
    const log = [origin, message(2), message(3), message(4)];
    const port: Port = {
      load: async () => undefined,
      tail: async () => none,
      read: async (from) => log.filter(({ seq }) => seq >= from),
      append: async (position, { content }) => {
        out.push(...content.map(text));
        return position + 1;
      },
      save: async (revision) => revision + 1,
    };
    let opened = 0;
    const open = () => {
      opened++;
      let applied = 0;
      return {
        apply: ({ seq }: Entry) => {
          applied++;
          if (seq === 3) throw new TypeError('x is not a function');
          return [{ data: new TextEncoder().encode(`${seq} as number ${applied}`), end: applied }];
        },
        snapshot: () => new Uint8Array(),
      };
    };
    const options = {
      pause: async () => {},
      reject: async ({ seq }: Entry, error: unknown) => {
        expect(error).toBeInstanceOf(TypeError);
        aside.push(seq);
      },
      onProgress: ({ source }: { source: number }) => {
        if (source === 4) stop.abort();
      },
    };
    await run(port, open, options, stop.signal);
    expect({ opened, aside, out }).toEqual({ opened: 2, aside: [3], out: ['2 as number 1', '4 as number 2'] });
  });
});

/** `run` from its source, with one piece of text replaced. */
async function runWith(right: string, wrong: string): Promise<Run> {
  const file = fileURLToPath(new URL('../../src/nats/run.ts', import.meta.url));
  const source = await readFile(file, 'utf8');
  expect(source.split(right), 'the text to replace stands in the source once').toHaveLength(2);
  const { outputFiles } = await build({
    stdin: { contents: source.replace(right, () => wrong), resolveDir: dirname(file), loader: 'ts' },
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'silent',
    // the model throws errors of the class that it has imported itself
    plugins: [
      {
        name: 'one class of errors',
        setup: (build) => {
          build.onLoad({ filter: /errors\.ts$/ }, () => ({
            contents: 'export const { StreamnormError } = globalThis;',
          }));
        },
      },
    ],
  });
  Object.assign(globalThis, { StreamnormError });
  return (await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`)).run;
}
