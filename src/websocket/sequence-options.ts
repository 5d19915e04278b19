import { shown, spanMs, wholeFrom } from './socket-options.ts';

/** Numbers of messages, which tell what is missing, double, late or in disorder. */
export interface SequenceOptions {
  /**
   * The number of a message, which grows by 1 from one to the next; undefined for messages that have none, which are taken
   * as they come. A throw, and what is no whole number, counts the message as bad.
   */
  readonly of: (message: unknown) => number | undefined;
  /** Messages that may wait for those before them; past it what is missing is given up. Default 0. */
  readonly reorder?: number;
  /** Longest wait for a missing message, in ms. Default 1,000. */
  readonly withinMs?: number;
  /** True when every connection counts anew; then what was missed between two is unknown. Default false. */
  readonly perConnection?: boolean;
  /** A number this far behind the newest is no duplicate but a new count. Default 1,024. */
  readonly memory?: number;
}

/** Checked options, defaults filled in. */
export type SequenceSettings = Required<SequenceOptions>;

const OPTIONS = ['of', 'reorder', 'withinMs', 'perConnection', 'memory'];

/** @throws TypeError, RangeError naming function, rule and value */
export function sequenceSettings(where: string, options: SequenceOptions): SequenceSettings {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${where} requires sequence to be an object, got ${shown(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      throw new TypeError(`${where} has no option 'sequence.${name}', only ${OPTIONS.join(', ')}`);
    }
  }
  const { of, reorder = 0, withinMs = 1_000, perConnection = false, memory = 1_024 } = options;
  if (typeof of !== 'function') throw new TypeError(`${where} requires sequence.of to be a function, got ${shown(of)}`);
  if (typeof perConnection !== 'boolean') {
    throw new TypeError(`${where} requires sequence.perConnection to be true or false, got ${shown(perConnection)}`);
  }
  return {
    of: (message) => {
      const seq = of(message);
      if (seq === undefined || (Number.isSafeInteger(seq) && seq >= 0)) return seq;
      throw new TypeError(`the number of a message must be a whole number >= 0, got ${shown(seq)}`);
    },
    reorder: wholeFrom(where, 'sequence.reorder', reorder, 0),
    withinMs: spanMs(where, 'sequence.withinMs', withinMs),
    perConnection,
    memory: wholeFrom(where, 'sequence.memory', memory, 1),
  };
}
