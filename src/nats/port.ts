/** A message of the log. */
export interface Entry {
  /** Its number in the log: rising, with holes where messages of others lie. */
  readonly seq: number;
  /** When the log took it, in ms since 1970. */
  readonly time: number;
  readonly data: Uint8Array;
  /** The first message of a partition: it says nothing but that the log has been kept from its beginning. */
  readonly origin: boolean;
}

/** A part of what a message gives. */
export interface Piece {
  readonly data: Uint8Array;
  /** How many rows of the partition are out with it: never fewer than with the piece before. */
  readonly end: number;
}

/** Where the outputs of a partition end. */
export interface Tail {
  /** Name of the last output, which the next one must follow; 0 when there is none. */
  readonly position: number;
  /** Number of the message that it came from; 0 when there is none. */
  readonly source: number;
  /** How many pieces of what that message gave are out. */
  readonly pieces: number;
  /** How many rows of the partition are out. */
  readonly end: number;
}

/** Pieces that go out together, none or more. */
export interface Output {
  /** Number of the message that the last piece came from. */
  readonly source: number;
  /** How many pieces of that message are out with this output. */
  readonly pieces: number;
  /** How many rows of the partition are out with it. */
  readonly end: number;
  readonly content: readonly Uint8Array[];
}

/** A state of the fold, and the last message that is part of it. */
export interface Checkpoint {
  readonly source: number;
  readonly state: Uint8Array;
}

export interface SavedCheckpoint extends Checkpoint {
  /** Name of this checkpoint, which the next one must replace. */
  readonly revision: number;
}

/**
 * All that `run` asks of the system that holds the log, for one partition. Everything may fail, come late, or have
 * happened although it failed; `load` and `tail` may answer with the past. Two promises must hold, whatever happens to
 * processes and connections:
 *
 * - `append` and `save` compare and swap: they act only where what they name is still the last of its kind;
 * - `read` gives the messages of the partition in one order, the same at every time, and none is left out.
 */
export interface Port {
  /** The next messages from number `from` on, in order. Waits a while for the first; none after that. */
  read(from: number): Promise<readonly Entry[]>;
  tail(): Promise<Tail>;
  /**
   * Puts an output behind the one at `position`, 0: as the first.
   *
   * @returns its own position
   * @throws StreamnormError FENCED when that one is not the last
   */
  append(position: number, output: Output): Promise<number>;
  load(): Promise<SavedCheckpoint | undefined>;
  /**
   * Replaces the checkpoint `revision`, 0: as the first. Messages before its source need not be kept any more, the source
   * itself must be.
   *
   * @returns its own revision
   * @throws StreamnormError FENCED when that one is not the last
   */
  save(revision: number, checkpoint: Checkpoint): Promise<number>;
}
