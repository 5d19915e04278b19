import { spawn } from 'node:child_process';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { run } from '../../src/cli/run.ts';

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What `runCli` wrote to standard output, byte for byte, as Latin-1. */
export type RanInProcess = Ran & { bytes: string };

/** Runs a command line in this process, with these bytes as standard input. */
export async function runCli(
  args: string[],
  input: string | Buffer | readonly Buffer[] = '',
  env: NodeJS.ProcessEnv = {},
): Promise<RanInProcess> {
  const chunks = Array.isArray(input) ? (input as Buffer[]) : [Buffer.from(input as string)];
  const stdout = new Gathered();
  const stderr = new Gathered();
  const stdin = Readable.from(chunks, { objectMode: false });
  const code = await run(args, {
    stdin,
    stdout,
    stderr,
    env,
    onSignal: () => () => {},
    onHangup: () => () => {},
    exit: () => {},
  });
  for (const stream of [stdout, stderr]) await new Promise<void>((resolve) => stream.end(resolve));
  return { code, stdout: stdout.text, stderr: stderr.text, bytes: stdout.bytes.toString('latin1') };
}

class Gathered extends Writable {
  #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.#chunks.push(Buffer.from(chunk));
    // not at once: a command that does not wait for the drain would be found out
    setImmediate(done);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.bytes.toString('utf8');
  }
}

export const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** What starts the command as a process of its own. */
export const COMMAND = [process.execPath, '--import', import.meta.resolve('tsx'), MAIN] as const;

/** Starts the command as a process of its own. */
export function spawnCli(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const [file, ...first] = COMMAND;
  return spawn(file, [...first, ...args], { env: { ...process.env, ...env } });
}

/** Runs a shell line in which `streamnorm` is the command. */
export function shell(line: string): Promise<Ran> {
  const quoted = COMMAND.map((word) => `'${word}'`).join(' ');
  return ended(spawn('bash', ['-c', `set -o pipefail; streamnorm() { ${quoted} "$@"; }; ${line}`]));
}

/** What a process said by its end. */
export function ended(child: ReturnType<typeof spawn>): Promise<Ran> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk) => out.push(chunk));
  child.stderr?.on('data', (chunk) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
    });
  });
}
