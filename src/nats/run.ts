import { StreamnormError } from '../errors.ts';
import { elapsed } from './elapsed.ts';
import type { Entry, Output, Piece, Port, Tail } from './port.ts';

/**
 * What is computed: a deterministic machine. The same messages from the same state give the same pieces and the same
 * state, on every machine and at every time: it reads no clock.
 */
export interface Fold {
  /**
   * Takes one message; returns the pieces that it gives.
   *
   * @throws StreamnormError when the message cannot be taken: nothing has changed then
   */
  apply(entry: Entry): readonly Piece[];
  /** All that a successor needs to go on to the last bit. */
  snapshot(): Uint8Array;
}

/** Opens a fold at a snapshot, or at the beginning. */
export type OpenFold = (state: Uint8Array | undefined) => Fold;

export interface RunOptions {
  /** A checkpoint is due after so many messages. Default 10,000. */
  readonly checkpointMessages?: number;
  /** As well after so long, in ms. Default 5,000. */
  readonly checkpointMs?: number;
  /** Bytes of pieces that go out in one output. Default 256 KiB. */
  readonly maxOutputBytes?: number;
  /**
   * Keeps a message that cannot be taken, for people to look at; the partition goes on when it resolves. It may be told of
   * the same message again. Default: the message is passed over.
   */
  readonly reject?: (entry: Entry, error: unknown) => Promise<void>;
  /** Told of every failure; `run` begins again from the checkpoint. */
  readonly onFailure?: (error: unknown) => void;
  /** Told where it is after every read. */
  readonly onProgress?: (progress: Progress) => void;
  /** Waits before the next attempt, `failures` in a row being behind. Default: 0.1 to 10 s with full jitter. */
  readonly pause?: (failures: number, signal: AbortSignal) => Promise<void>;
  /** ms from any origin, never going back. */
  readonly now?: () => number;
}

export interface Progress {
  /** Last message that was folded. */
  readonly source: number;
  /** Last message whose output is in the log, as far as is known. */
  readonly published: number;
  /** Source of the last checkpoint. */
  readonly checkpoint: number;
  readonly checkpointAtMs: number;
}

/**
 * Folds one partition of a log, for ever, so that every piece comes out exactly once and in order whatever happens to
 * the processes that run it, several of them at a time included.
 *
 * Idea: the outputs are a chain. Each is appended by compare-and-swap behind the one before it, and says which message it
 * came from; so of several owners one gets on, the others are fenced by the log itself, and whoever begins anew reads in
 * the last output what is out already. The checkpoint only saves time: it may lag the chain, never lead it. There is
 * one way back from every failure, and it is the way in: load the checkpoint, read the tail, fold what lies between
 * without a word, and go on. No clock and no lease has a part in this.
 *
 * @param signal ends it in order: what is folded goes out, and a last checkpoint is written
 */
export async function run(port: Port, open: OpenFold, options: RunOptions, signal: AbortSignal): Promise<void> {
  const { onFailure, pause = backOff } = options;
  const poison = new Map<number, unknown>();
  let failures = 0;
  const onward = () => {
    failures = 0;
  };
  // an AbortSignal that is aborted already fires no event, so it is asked
  while (!signal.aborted) {
    try {
      await session(port, open, options, poison, onward, signal);
    } catch (error) {
      onFailure?.(error);
      await pause(++failures, signal);
    }
  }
}

async function session(
  port: Port,
  open: OpenFold,
  options: RunOptions,
  poison: Map<number, unknown>,
  onward: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { checkpointMessages = 10_000, checkpointMs = 5_000, maxOutputBytes = 262_144 } = options;
  const { reject, onProgress, now = () => performance.now() } = options;
  // in this order: a tail read first could be older than the checkpoint
  const saved = await port.load();
  const tail = await port.tail();
  let checkpoint = saved?.source ?? 0;
  let revision = saved?.revision ?? 0;
  if (tail.source < checkpoint) {
    throw new StreamnormError(
      'LOG_GAP',
      `the outputs end at message ${tail.source}, the checkpoint is of ${checkpoint}: outputs have been lost`,
    );
  }
  const fold = open(saved?.state);
  const chain = new Chain(port, tail, maxOutputBytes);
  let done = checkpoint;
  let savedAtMs = now();
  let unsaved = 0;
  /** There was something to fold that is out already, and no checkpoint has been made of it yet. */
  let replayed = tail.source > checkpoint;

  const save = async () => {
    await chain.close(done);
    revision = await port.save(revision, { source: done, state: fold.snapshot() });
    checkpoint = done;
    savedAtMs = now();
    unsaved = 0;
  };

  let entries = await port.read(checkpoint);
  if (entries.length > 0) {
    const [anchor] = entries;
    // what was discarded went from the old end: where this message is, all after it are
    if (checkpoint === 0 ? !anchor.origin : anchor.seq !== checkpoint) {
      throw new StreamnormError(
        'LOG_GAP',
        checkpoint === 0
          ? `there is no checkpoint, and the log begins with message ${anchor.seq}: its beginning has been discarded`
          : `the log begins with message ${anchor.seq} and no longer holds ${checkpoint}, the last of the checkpoint`,
      );
    }
    if (checkpoint > 0) entries = entries.slice(1);
  } else if (!signal.aborted) {
    const wanted = checkpoint === 0 ? 'its beginning' : `message ${checkpoint}, the last of the checkpoint`;
    throw new StreamnormError('LOG_GAP', `the log does not hold ${wanted}`);
  }

  for (;;) {
    for (const entry of entries) {
      if (!entry.origin) {
        if (replayed && entry.seq >= tail.source) {
          // Another owner's checkpoint may have discarded messages that this one had still to read, and then what was
          // folded has a hole. But then it has replaced the checkpoint that this session began with, so a save finds it
          // out. From here on the chain does: whoever discards a message has appended behind it.
          await save();
          replayed = false;
        }
        let pieces: readonly Piece[] = [];
        let refused = poison.get(entry.seq);
        if (refused === undefined) {
          try {
            pieces = fold.apply(entry);
          } catch (error) {
            if (!(error instanceof StreamnormError)) {
              // a bug: nobody knows what it left behind, so begin again without this message
              poison.set(entry.seq, error);
              throw error;
            }
            refused = error;
          }
        }
        if (refused !== undefined) await reject?.(entry, refused);
        await chain.add(entry.seq, pieces);
      }
      done = entry.seq;
      unsaved++;
    }
    await chain.flush();
    if (signal.aborted) break;
    if (unsaved >= checkpointMessages || (unsaved > 0 && now() - savedAtMs >= checkpointMs)) await save();
    onProgress?.({ source: done, published: chain.source, checkpoint, checkpointAtMs: savedAtMs });
    entries = await port.read(done + 1);
    onward();
  }
  if (unsaved > 0) await save();
  else await chain.settle();
  onProgress?.({ source: done, published: chain.source, checkpoint, checkpointAtMs: savedAtMs });
}

/** The outputs from where they end on: passes over what is out, and appends the rest, one output under way at a time. */
class Chain {
  readonly #port: Port;
  readonly #maxBytes: number;
  /** What was out when this session began. */
  readonly #tail: Tail;
  #position: number;
  /** Message of the last output that is known to be in the log. */
  source: number;
  #content: Uint8Array[];
  #bytes: number;
  /** Of the last piece in `#content`. */
  #next: Omit<Output, 'content'>;
  #underWay: Promise<void> | undefined;

  constructor(port: Port, tail: Tail, maxBytes: number) {
    this.#port = port;
    this.#maxBytes = maxBytes;
    this.#tail = tail;
    this.#position = tail.position;
    this.source = tail.source;
    this.#content = [];
    this.#bytes = 0;
    this.#next = { source: tail.source, pieces: tail.pieces, end: tail.end };
    this.#underWay = undefined;
  }

  async add(source: number, pieces: readonly Piece[]): Promise<void> {
    const tail = this.#tail;
    if (source < tail.source) return;
    for (let i = source === tail.source ? tail.pieces : 0; i < pieces.length; i++) {
      const { data, end } = pieces[i];
      if (this.#content.length > 0 && this.#bytes + data.length > this.#maxBytes) await this.flush();
      this.#content.push(data);
      this.#bytes += data.length;
      this.#next = { source, pieces: i + 1, end };
    }
  }

  /** Sends what there is, once what was sent before has arrived; does not wait for it to arrive. */
  async flush(): Promise<void> {
    if (this.#content.length === 0) return;
    await this.settle();
    const content = this.#content;
    this.#content = [];
    this.#bytes = 0;
    this.#begin({ ...this.#next, content });
  }

  /** Waits until what was sent has arrived. */
  async settle(): Promise<void> {
    const underWay = this.#underWay;
    this.#underWay = undefined;
    await underWay;
  }

  /** Everything up to `source` is out, and the chain says so, also where it gave no pieces. */
  async close(source: number): Promise<void> {
    await this.flush();
    await this.settle();
    if (this.source >= source) return;
    this.#begin({ source, pieces: 0, end: this.#next.end, content: [] });
    await this.settle();
  }

  #begin(output: Output): void {
    this.#underWay = this.#port.append(this.#position, output).then((position) => {
      this.#position = position;
      this.source = output.source;
    });
    // `settle` throws it; until then nobody may be listening
    this.#underWay.catch(() => {});
  }
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** Full jitter: clients that failed together do not come back together. */
function backOff(failures: number, signal: AbortSignal): Promise<void> {
  const ms = Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10));
  return elapsed(ms, signal);
}
