import { seeded } from '../../bench/seeded.ts';
import { StreamnormError } from '../../src/errors.ts';
import type { Checkpoint, Entry, Output, Port, SavedCheckpoint, Tail } from '../../src/nats/port.ts';
import type { Fold, OpenFold, run } from '../../src/nats/run.ts';

/** How often each thing goes wrong, as probabilities of one call. */
export interface Faults {
  /** The call fails and has done nothing. */
  readonly lost: number;
  /** The call has been carried out, and fails. */
  readonly unacknowledged: number;
  /** `load` or `tail` answers with the past. */
  readonly stale: number;
  /** The owner is killed in the middle of the call, before or after it has been carried out; another one begins. */
  readonly crash: number;
}

export interface Scenario {
  readonly seed: number;
  readonly owners: number;
  readonly messages: number;
  readonly faults: Faults;
}

export interface Outcome {
  /** The pieces in the chain, in order. */
  readonly pieces: readonly string[];
  /** The last checkpoint. */
  readonly checkpoint: SavedCheckpoint | undefined;
  readonly steps: number;
  readonly crashes: number;
  readonly fenced: number;
  readonly rejected: ReadonlySet<number>;
  /** Why the chain was never completed, or what was found wrong on the way. */
  readonly complaint: string | undefined;
}

/** What `run` is told apart from: the same with a bug. */
export type Run = typeof run;

interface Turn {
  readonly owner: Owner;
  readonly go: () => void;
}

interface Owner {
  readonly id: number;
  readonly stop: AbortController;
  dead: boolean;
  ended: boolean;
}

const MOST_STEPS = 20_000;
/** Of so many messages one cannot be taken, one gives no pieces, one gives three. */
const KINDS = 7;

/**
 * A whole broker in one object, and owners of one partition that `run` against it at the same time. Every call waits for
 * its turn before it acts and once more before it answers; whose turn it is, is drawn from the seed. So all that a network
 * and a scheduler can do to the order of things happens, and happens again for the same seed.
 */
export class Model {
  readonly #scenario: Scenario;
  readonly #random: () => number;
  /** What the log holds, and all that it was ever given. */
  readonly #log: Entry[];
  readonly #sent: Entry[];
  readonly #chain: (Output & { position: number })[];
  readonly #checkpoints: SavedCheckpoint[];
  readonly #owners: Owner[];
  readonly #rejected: Set<number>;
  #turns: Turn[];
  #faults: Faults;
  #position: number;
  #published: number;
  #crashes: number;
  #fenced: number;
  #complaint: string | undefined;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#random = seeded(scenario.seed);
    this.#log = [];
    this.#sent = [];
    this.#chain = [];
    this.#checkpoints = [];
    this.#owners = [];
    this.#rejected = new Set();
    this.#turns = [];
    this.#faults = scenario.faults;
    this.#position = 0;
    this.#published = 0;
    this.#crashes = 0;
    this.#fenced = 0;
    this.#complaint = undefined;
  }

  async play(run: Run): Promise<Outcome> {
    this.#publish();
    for (let id = 0; id < this.#scenario.owners; id++) this.#start(run, id);
    let steps = 0;
    for (; steps < MOST_STEPS && this.#complaint === undefined; steps++) {
      // microtasks enough for an owner to come to its next call
      for (let i = 0; i < 16; i++) await undefined;
      if (this.#random() < 0.2) this.#publish();
      if (this.#complete()) {
        this.#faults = { lost: 0, unacknowledged: 0, stale: 0, crash: 0 };
        for (const { stop } of this.#owners) stop.abort();
        if (this.#owners.every(({ ended, dead }) => ended || dead)) break;
      }
      if (this.#turns.length === 0) continue;
      const [turn] = this.#turns.splice(Math.floor(this.#random() * this.#turns.length), 1);
      if (turn.owner.dead) continue;
      if (this.#random() < this.#faults.crash) {
        this.#crashes++;
        turn.owner.dead = true;
        this.#turns = this.#turns.filter(({ owner }) => owner !== turn.owner);
        this.#start(run, this.#owners.length);
        continue;
      }
      turn.go();
    }
    for (const { stop } of this.#owners) stop.abort();
    if (steps === MOST_STEPS) this.#complaint ??= `not complete after ${steps} steps`;
    return {
      pieces: this.#chain.flatMap(({ content }) => content.map(text)),
      checkpoint: this.#checkpoints.at(-1),
      steps,
      crashes: this.#crashes,
      fenced: this.#fenced,
      rejected: this.#rejected,
      complaint: this.#complaint,
    };
  }

  #start(run: Run, id: number): void {
    const owner: Owner = { id, stop: new AbortController(), dead: false, ended: false };
    this.#owners.push(owner);
    let clock = 0;
    const options = {
      checkpointMessages: 3,
      checkpointMs: 50,
      maxOutputBytes: 24,
      now: () => clock++,
      onFailure: (error: unknown) => {
        if (error instanceof StreamnormError && error.code === 'FENCED') this.#fenced++;
        // what else is thrown by a model without bugs are the faults that it was asked for
        else if (!(error instanceof Injected || (error instanceof StreamnormError && error.code === 'LOG_GAP')))
          this.#complaint ??= String((error as Error).stack);
      },
      reject: (entry: Entry) =>
        this.#call(owner, () => {
          this.#rejected.add(entry.seq);
        }),
      pause: () => this.#turn(owner),
    };
    run(this.#portOf(owner), openSum, options, owner.stop.signal).then(
      () => {
        owner.ended = true;
      },
      (error) => {
        this.#complaint ??= `run ended with ${error}`;
      },
    );
  }

  #portOf(owner: Owner): Port {
    return {
      read: (from) =>
        this.#call(owner, () =>
          this.#log.filter(({ seq }) => seq >= from).slice(0, 1 + Math.floor(this.#random() * 4)),
        ),
      tail: () => this.#call(owner, () => this.#tailOf(this.#past(this.#chain))),
      load: () => this.#call(owner, () => this.#past(this.#checkpoints)),
      append: (position, output) =>
        this.#call(owner, () => {
          const before = this.#tailOf(this.#chain.at(-1));
          if (before.position !== position) throw new StreamnormError('FENCED', 'append');
          if (output.end !== before.end + output.content.length) this.#complaint ??= `rows end at ${output.end}`;
          this.#chain.push({
            ...output,
            content: output.content.map((piece) => piece.slice()),
            position: ++this.#position,
          });
          return this.#position;
        }),
      save: (revision, checkpoint) =>
        this.#call(owner, () => {
          if ((this.#checkpoints.at(-1)?.revision ?? 0) !== revision) throw new StreamnormError('FENCED', 'save');
          return this.#save(checkpoint);
        }),
    };
  }

  #save(checkpoint: Checkpoint): number {
    if (checkpoint.source > (this.#chain.at(-1)?.source ?? 0)) {
      this.#complaint ??= `a checkpoint of message ${checkpoint.source} leads the chain`;
    }
    this.#checkpoints.push({ ...checkpoint, state: checkpoint.state.slice(), revision: this.#checkpoints.length + 1 });
    // messages before the checkpoint are discarded
    while (this.#log[0].seq < checkpoint.source) this.#log.shift();
    return this.#checkpoints.length;
  }

  #tailOf(output: (Output & { position: number }) | undefined): Tail {
    return output ?? { position: 0, source: 0, pieces: 0, end: 0 };
  }

  #past<T>(versions: readonly T[]): T | undefined {
    const age = this.#random() < this.#faults.stale ? 1 + Math.floor(this.#random() * 3) : 0;
    return versions[versions.length - 1 - age];
  }

  async #call<T>(owner: Owner, act: () => T): Promise<T> {
    await this.#turn(owner);
    const fate = this.#random();
    const { lost, unacknowledged } = this.#faults;
    if (fate < lost) throw new Injected('lost');
    const result = act();
    await this.#turn(owner);
    if (fate < lost + unacknowledged) throw new Injected('unacknowledged');
    return result;
  }

  #turn(owner: Owner): Promise<void> {
    // who is dead waits for ever
    return new Promise((go) => {
      if (!owner.dead) this.#turns.push({ owner, go });
    });
  }

  #publish(): void {
    if (this.#published > this.#scenario.messages) return;
    // the messages of other partitions lie in between
    const seq = (this.#log.at(-1)?.seq ?? 0) + 1 + Math.floor(this.#random() * 3);
    const data = Uint8Array.of(this.#published % KINDS, this.#published % 251);
    const entry = { seq, time: 0, data, origin: this.#published === 0 };
    this.#log.push(entry);
    this.#sent.push(entry);
    this.#published++;
  }

  #complete(): boolean {
    const last = this.#sent.at(-1)?.seq ?? 0;
    return this.#published > this.#scenario.messages && (this.#chain.at(-1)?.source ?? 0) >= last;
  }

  /** What one owner gives, on whom nothing falls. */
  expected(): { pieces: string[]; rejected: Set<number>; states: Map<number, string> } {
    const fold = openSum(undefined);
    const pieces: string[] = [];
    const rejected = new Set<number>();
    const states = new Map<number, string>();
    for (const entry of this.#sent) {
      if (!entry.origin) {
        try {
          pieces.push(...fold.apply(entry).map(({ data }) => text(data)));
        } catch {
          rejected.add(entry.seq);
        }
      }
      states.set(entry.seq, text(fold.snapshot()));
    }
    return { pieces, rejected, states };
  }
}

/** A fault that was asked for. */
class Injected extends Error {}

/** A fold whose state depends on every message and on their order. */
const openSum: OpenFold = (state): Fold => {
  let [sum, end] = state === undefined ? [1, 0] : text(state).split(' ').map(Number);
  return {
    apply({ data: [kind, value] }) {
      if (kind === 3) throw new StreamnormError('BAD_FRAME', 'this message cannot be taken');
      sum = (sum * 31 + value) % 1_000_003;
      // the last message gives a piece, so that the end can be seen
      const length = kind === 5 ? 0 : kind === 6 ? 3 : 1;
      return Array.from({ length }, (_, i) => ({ data: bytes(`${sum}/${i}`), end: ++end }));
    },
    snapshot: () => bytes(`${sum} ${end}`),
  };
};

export function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

function bytes(data: string): Uint8Array {
  return new TextEncoder().encode(data);
}
