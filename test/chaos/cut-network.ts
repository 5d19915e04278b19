import { execFileSync } from 'node:child_process';

/** A network of its own for a process, whose line to this machine can be cut: a namespace and a pair of virtual devices. */
export class CutNetwork {
  readonly #name: string;
  /** Where this machine is, from inside. */
  readonly host: string;

  private constructor(name: string, host: string) {
    this.#name = name;
    this.host = host;
  }

  /** Undefined where namespaces cannot be made: without root, mostly. */
  static open(number: number): CutNetwork | undefined {
    const name = `snchaos${process.pid % 10_000}n${number}`;
    const net = `10.${200 + (number % 50)}.${process.pid % 250}`;
    const device = `sc${process.pid % 10_000}n${number}`;
    try {
      ip('netns', 'add', name);
    } catch {
      return undefined;
    }
    ip('link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    ip('addr', 'add', `${net}.1/24`, 'dev', device);
    ip('link', 'set', device, 'up');
    ip('-n', name, 'addr', 'add', `${net}.2/24`, 'dev', 'eth0');
    ip('-n', name, 'link', 'set', 'eth0', 'up');
    ip('-n', name, 'link', 'set', 'lo', 'up');
    return new CutNetwork(name, `${net}.1`);
  }

  /** What starts a command in it. */
  get prefix(): readonly string[] {
    return ['ip', 'netns', 'exec', this.#name];
  }

  cut(): void {
    ip('-n', this.#name, 'link', 'set', 'eth0', 'down');
  }

  mend(): void {
    ip('-n', this.#name, 'link', 'set', 'eth0', 'up');
  }

  remove(): void {
    ip('netns', 'del', this.#name);
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
