/** Longest time at a stretch; then everything else has its turn. */
const SLICE_MS = 5;

/**
 * Does something to each, in slices of 5 ms: 10,000 sockets in one go would hold up all of them for 150 ms. What is added
 * meanwhile has its turn too, what is removed has none. `done` is called at the end, at once where one slice suffices.
 */
export function inSlices<T>(items: Iterable<T>, each: (item: T) => void, done = (): void => {}): void {
  const left = items[Symbol.iterator]();
  const slice = () => {
    const end = performance.now() + SLICE_MS;
    for (let count = 1; ; count++) {
      const { done: finished, value } = left.next();
      if (finished) {
        done();
        return;
      }
      each(value);
      if (count % 16 === 0 && performance.now() > end) {
        setImmediate(slice);
        return;
      }
    }
  };
  slice();
}
