/**
 * Names of the streams and subjects of one channel.
 *
 * | stream | subjects | holds |
 * |---|---|---|
 * | `<prefix>_<channel>_in_<generation>` | `<prefix>.<channel>.in.<generation>.<partition>` | the log |
 * | `<prefix>_<channel>_out` | `<prefix>.<channel>.out.<partition>` | the outputs |
 * | `<prefix>_<channel>_state` | `<prefix>.<channel>.state.>` | what the channel is, and the checkpoints |
 * | `<prefix>_<channel>_dead` | `<prefix>.<channel>.dead.<generation>.<partition>.<message>` | messages that could not be taken |
 *
 * A dot, which separates the parts of a subject, is written `=`.
 */
export class LogNames {
  readonly channel: string;
  readonly #stream: string;
  readonly #subject: string;

  /** @throws RangeError for a prefix or channel that makes no names */
  constructor(prefix: string, channel: string) {
    requireName('prefix', prefix);
    requireName('channel', channel);
    this.channel = channel;
    const encoded = channel.replaceAll('.', '=');
    this.#stream = `${prefix}_${encoded}`;
    this.#subject = `${prefix}.${encoded}`;
  }

  inStream(generation: number): string {
    return `${this.#stream}_in_${generation}`;
  }

  inSubject(generation: number, partition: number | '*'): string {
    return `${this.#subject}.in.${generation}.${partition}`;
  }

  get outStream(): string {
    return `${this.#stream}_out`;
  }

  outSubject(partition: number | '*'): string {
    return `${this.#subject}.out.${partition}`;
  }

  get stateStream(): string {
    return `${this.#stream}_state`;
  }

  get stateSubject(): string {
    return `${this.#subject}.state`;
  }

  get deadStream(): string {
    return `${this.#stream}_dead`;
  }

  deadSubject(generation: number | '*', partition: number | '*', message: number | '*'): string {
    return `${this.#subject}.dead.${generation}.${partition}.${message}`;
  }
}

/** @throws RangeError unless `name` can be part of a stream's name and of a subject */
export function requireName(what: string, name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) || (what === 'prefix' && name.includes('.'))) {
    throw new RangeError(`streamnorm/nats requires ${what} to be 1 to 64 of A-Z a-z 0-9 _ -, got '${name}'`);
  }
}
