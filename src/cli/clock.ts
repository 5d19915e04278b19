/** Time as a command sees it; a test gives its own. */
export interface Clock {
  /** Wall clock in ms, for stamps. */
  now(): number;
  /** Ms that only ever count up, for spans. */
  elapsed(): number;
  /** Calls back once after `ms`; returns how to call that off. */
  after(ms: number, ring: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after: (ms, ring) => {
    const timer = setTimeout(ring, ms);
    return () => clearTimeout(timer);
  },
};
