import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';

/** Where nats-server is; undefined when it is not installed. */
export const natsServerPath: string | undefined = [
  'nats-server',
  '/usr/sbin/nats-server',
  '/usr/local/bin/nats-server',
].find((path) => {
  try {
    execFileSync(path, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});

/** A broker of its own, on a free port, in a folder of its own. */
export class NatsServer {
  readonly dir: string;
  port: number;
  process: ChildProcess;
  readonly #host: string;

  private constructor(dir: string, host: string, port: number, process: ChildProcess) {
    this.dir = dir;
    this.#host = host;
    this.port = port;
    this.process = process;
  }

  /** @param config further lines of its configuration file */
  static async start(config = '', { host = '127.0.0.1', port = -1 } = {}): Promise<NatsServer> {
    const dir = await mkdtemp(join(tmpdir(), 'streamnorm-nats-'));
    await writeFile(join(dir, 'nats.conf'), config);
    const started = await spawned(dir, host, port);
    return new NatsServer(dir, host, started.port, started.process);
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  connect(): Promise<NatsConnection> {
    return connect({ servers: this.url, maxReconnectAttempts: -1, reconnectTimeWait: 50, ignoreClusterUpdates: true });
  }

  /** kill -9, and the same broker again on the same port with the same files. */
  async killAndStart(): Promise<void> {
    await this.kill();
    await this.startAgain();
  }

  async startAgain(): Promise<void> {
    this.process = (await spawned(this.dir, this.#host, this.port)).process;
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const closed = once(this.process, 'close');
    this.process.kill('SIGKILL');
    await closed;
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }
}

async function spawned(dir: string, host: string, port: number): Promise<{ process: ChildProcess; port: number }> {
  const args = [
    '-c',
    join(dir, 'nats.conf'),
    '-a',
    host,
    '-p',
    String(port),
    '-js',
    '-sd',
    dir,
    '--ports_file_dir',
    dir,
  ];
  const process = spawn(natsServerPath as string, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    process.stderr?.on('data', (chunk) => {
      said += chunk;
      if (said.includes('Server is ready')) resolve();
    });
    process.once('close', () => reject(new Error(`nats-server ended:\n${said}`)));
  });
  if (port !== -1) return { process, port };
  for (;;) {
    // it is written a moment after the broker is ready
    const file = (await readdir(dir)).find((name) => name.endsWith(`_${process.pid}.ports`));
    const written = file === undefined ? '' : await readFile(join(dir, file), 'utf8');
    if (!written.trimEnd().endsWith('}')) continue;
    return { process, port: Number(new URL(JSON.parse(written).nats[0]).port) };
  }
}
