import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { ServerConfigInput } from '../../src/server/index.ts';

export interface ServerProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** Sends a signal; resolves with the exit code, or the signal that ended it. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>;
}

const script = fileURLToPath(new URL('../support/serve.ts', import.meta.url));

/** A server in its own process, once it listens. */
export async function startProcess(config: ServerConfigInput): Promise<ServerProcess> {
  const given = JSON.stringify({ listen: { port: 0 }, ...config });
  const child = spawn(process.execPath, ['--import', 'tsx', script, given], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const line = await Promise.race([
    once(createInterface(child.stdout!), 'line').then(([text]) => text as string),
    exited.then(([code]) => {
      throw new Error(`the server ended with ${code} before it listened`);
    }),
  ]);
  return {
    url: (JSON.parse(line) as { url: string }).url,
    child,
    end: async (signal) => {
      child.kill(signal);
      const [code, by] = await exited;
      return (code ?? by)!;
    },
  };
}
