/** Headers of our messages in the log. */
export const HEADER = {
  /** Of the first message of a partition: it holds nothing else. */
  origin: 'Streamnorm-Origin',
  /** Of an output: number of the message that its last piece came from. */
  source: 'Streamnorm-Source',
  /** Of an output: how many pieces of that message are out. */
  pieces: 'Streamnorm-Pieces',
  /** Of an output: how many rows of the partition are out with it. */
  end: 'Streamnorm-End',
  /** Of an output: generation of the log that its source lies in. */
  generation: 'Streamnorm-Generation',
  /** Of a dead letter: why it is one. */
  error: 'Streamnorm-Error',
} as const;
