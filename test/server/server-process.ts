import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { ServerConfigInput } from '../../src/server/index.ts';
import { builtDist } from '../support/built-dist.ts';

/** What can be asked of a server from inside. */
export interface Answers {
  /** What it holds after a collection: heap, and buffers beside it. */
  memory: { heldBytes: number; rssBytes: number };
  /** The same without a collection, which would stop it. */
  rss: { rssBytes: number };
  /** How late its timers were since it was asked last. */
  delay: { maxMs: number; p99Ms: number };
  /** What it logged: bugs with their stacks, and other warnings. */
  bugs: string[];
  warnings: string[];
  degraded: string | null;
  /** Names that something has added to what all objects have. */
  polluted: string[];
  cpu: { user: number; system: number };
}

export interface ServerProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Sends a signal; resolves when it has ended. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>;
  ask<Q extends keyof Answers>(question: Q): Promise<Answers[Q]>;
}

const script = fileURLToPath(new URL('../support/serve-built.mjs', import.meta.url));

/** A server in its own process, from the built `dist/`, once it listens. */
export async function startProcess(
  config: ServerConfigInput,
  { nodeArgs = [] as readonly string[], env = {} as NodeJS.ProcessEnv } = {},
): Promise<ServerProcess> {
  const given = JSON.stringify({ listen: { port: 0 }, ...config });
  const child = spawn(process.execPath, ['--expose-gc', ...nodeArgs, script, builtDist(), given], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, ...env },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([code, by]) => (code ?? by) as number | NodeJS.Signals);
  const line = await Promise.race([
    once(createInterface(child.stdout!), 'line').then(([text]) => text as string),
    ended.then((how) => {
      throw new Error(`the server ended with ${how} before it listened`);
    }),
  ]);
  let asked = 0;
  return {
    url: (JSON.parse(line) as { url: string }).url,
    child,
    ended,
    end: (signal) => {
      child.kill(signal);
      return ended;
    },
    ask: (question) => {
      const id = ++asked;
      return new Promise((resolve, reject) => {
        const hear = (said: { id: number; answer: never }) => {
          if (said.id !== id) return;
          child.off('message', hear);
          resolve(said.answer);
        };
        child.on('message', hear);
        ended.then((how) => reject(new Error(`the server ended with ${how}, asked for ${question}`)));
        child.send({ ask: question, id });
      });
    },
  };
}
