/** What has come and was not yet looked at, in order; `next` waits for what has not come yet. */
export class Arrivals<T> {
  readonly #come: T[] = [];
  readonly #waiting: ((value: T) => void)[] = [];

  add(value: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#come.push(value);
    else waiting(value);
  }

  /** How many have come and were not taken. */
  get left(): number {
    return this.#come.length;
  }

  async next(): Promise<T> {
    return this.#come.length > 0 ? this.#come.shift()! : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async take(count: number): Promise<T[]> {
    const list: T[] = [];
    while (list.length < count) list.push(await this.next());
    return list;
  }

  /** The first one that holds, leaving out those before it. */
  async find<U extends T>(holds: (value: T) => value is U): Promise<U>;
  async find(holds: (value: T) => boolean): Promise<T>;
  async find(holds: (value: T) => boolean): Promise<T> {
    for (;;) {
      const value = await this.next();
      if (holds(value)) return value;
    }
  }
}
