import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A server that is measured, in a process of its own. */
export interface MeasuredChild {
  readonly port: number;
  /** Time on a processor that it has used since it started, in ms. */
  cpuMs(): Promise<number>;
  stop(): void;
}

/** Starts a script beside this one that calls `serveMeasurements`. */
export async function startChild(script: string, ...args: string[]): Promise<MeasuredChild> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const port = Number((await lines.next()).value);
  return {
    port,
    async cpuMs() {
      child.stdin.write('cpu\n');
      return Number((await lines.next()).value);
    },
    stop: () => child.stdin.end(),
  };
}

/** In the child: prints the port, answers every line with the processor time used, ends with the standard input. */
export function serveMeasurements(port: number): void {
  process.stdout.write(`${port}\n`);
  createInterface({ input: process.stdin })
    .on('line', () => {
      const { user, system } = process.cpuUsage();
      process.stdout.write(`${(user + system) / 1_000}\n`);
    })
    .on('close', () => process.exit(0));
}
