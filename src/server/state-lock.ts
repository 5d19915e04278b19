import { createHash } from 'node:crypto';
import { realpath, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StreamnormError } from '../errors.ts';

/** A path of a Unix socket has at most 107 bytes on Linux and 103 on macOS. */
const MAX_PATH_BYTES = 100;

/**
 * Keeps a state directory to one process.
 *
 * Idea: a Unix socket that is listened to. The system closes it with its process, however that ends, so a lock is stale
 * exactly when nobody answers; a number of a process could be another's by now.
 */
export class StateLock {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Undefined where the directory takes no socket: one that cannot be written holds no checkpoints either.
   *
   * @throws StreamnormError STATE_LOCKED
   */
  static async take(dir: string): Promise<StateLock | undefined> {
    const path = await lockPath(dir);
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        return new StateLock(await listen(path));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') return undefined;
      }
      if (await answers(path)) {
        throw new StreamnormError('STATE_LOCKED', `another process uses the state directory ${dir}`);
      }
      await unlink(path).catch(() => {});
    }
    throw new StreamnormError('STATE_LOCKED', `the state directory ${dir} is being taken by another process`);
  }

  release(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

async function lockPath(dir: string): Promise<string> {
  const whole = await realpath(dir);
  const path = join(whole, 'lock');
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return path;
  return join(tmpdir(), `streamnorm-${createHash('sha256').update(whole).digest('hex').slice(0, 16)}.lock`);
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
