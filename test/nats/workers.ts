import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { builtDist } from '../support/built-dist.ts';

/** `streamnorm …` as a process of its own, as users start it; what it says on standard error can be awaited. */
export class CliProcess {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [join(builtDist(), 'cli/main.js'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface({ input: this.child.stderr! }).on('line', (line) => {
      this.lines.push(line);
      for (const look of this.#waiting) look();
    });
    this.child.stdout?.resume();
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  /** The first line that fits, whenever it was said. */
  said(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const line = this.lines.find((line) => pattern.test(line));
        if (line === undefined) return;
        this.#waiting.delete(look);
        resolve(line);
      };
      this.#waiting.add(look);
      this.child.once('close', () =>
        reject(new Error(`it ended without saying ${pattern}:\n${this.lines.join('\n')}`)),
      );
      look();
    });
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const closed = once(this.child, 'close');
    this.child.kill(signal);
    await closed;
    return this.child.exitCode;
  }
}
