import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** Something that a subscriber heard. */
export interface Heard {
  readonly type: string;
  /** First row; of a gap, the first that is lost. */
  readonly seq: number;
  readonly rows?: number;
  readonly to?: number;
  readonly reason?: string;
  readonly skipped?: number;
  readonly recovered?: boolean;
  /** ms from the time of the last row to when it was read, and that moment. */
  readonly age?: number;
  readonly at: number;
}

/** What subscribers heard since the report before. */
export interface CrowdReport {
  readonly open: number;
  readonly messages: number;
  readonly rows: number;
  readonly skipped: number;
  readonly snapshots: number;
  /** Rows that neither came nor were told to be skipped or lost: how often. */
  readonly holes: number;
  readonly ages: Float64Array;
  readonly refusals: Record<string, number>;
  readonly closes: Record<string, number>;
  /** All of it, from those that are `detailed`. */
  readonly events: readonly Heard[];
}

export interface Opening {
  readonly open: number;
  readonly url: string;
  readonly query?: string;
  readonly bytesPerSecond?: number;
  readonly withinMs?: number;
  /** Which of the addresses they share come next. */
  readonly first?: number;
  readonly detailed?: boolean;
}

/** Subscribers in a process of their own. */
export class Crowd {
  readonly child: ChildProcess;

  constructor() {
    this.child = fork(fileURLToPath(new URL('../support/crowd.mjs', import.meta.url)), {
      serialization: 'advanced',
      execArgv: [],
    });
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  /** Resolves when all have their snapshot or were refused. */
  open(opening: Opening): Promise<{ ms: number }> {
    return this.#ask(opening) as Promise<{ ms: number }>;
  }

  report(): Promise<CrowdReport> {
    return this.#ask({ report: true }) as Promise<CrowdReport>;
  }

  /** Destroys all sockets. */
  async drop(): Promise<void> {
    await this.#ask({ drop: true });
  }

  #ask(command: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`the crowd ended with ${code}`));
      this.child.once('exit', ended);
      this.child.once('message', ({ done }: { done: unknown }) => {
        this.child.off('exit', ended);
        resolve(done);
      });
      this.child.send(command);
    });
  }
}
