import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { AliveClock } from './alive-clock.ts';
import type { Block } from './block.ts';
import type { Channel } from './channel.ts';
import type { Limits } from './config/limits.ts';
import type { GapReason } from './counters.ts';
import type { Log } from './log.ts';
import type { OutboundQuery } from './outbound-query.ts';
import type { Snapshots } from './snapshots.ts';

/** Of several messages, handed to the system at once. */
const GATHERED_BYTES = 65_536;
/** A reader that gets less than this is not asked how far it is: a ping would cost as much as the message. */
const PROBE_BYTES = 4_096;
/** Bytes under way to a reader of whose speed nothing is known yet. */
const FIRST_WINDOW_BYTES = 65_536;

/**
 * Sends a channel to one subscriber: a snapshot, then every row from there on.
 *
 * Idea: a subscriber has no queue. It has a cursor into the channel's history, which is shared and bounded, and sends on
 * while its socket takes it. When the reader is behind, the policy decides what becomes of the rows in between.
 *
 * Behind is one whose socket holds more than `conflateAboveBytes`. The system's buffers swallow megabytes before that,
 * which are many seconds of a slow reader, so pings are sent among the rows: the answer says how long what was under way
 * took to be read, and so how much may be under way: what is read in a quarter of `conflateAfterMs`. One that has not been
 * given the newest row for half of it, or not answered for the whole of it, is behind too. (As in LEDBAT, RFC 6817,
 * what counts is the delay beyond the shortest one seen, which is the way itself.)
 */
export class Subscriber {
  readonly #socket: WebSocket;
  /** What the socket writes to: whole frames may be written beside it. */
  readonly #stream: Duplex;
  readonly channel: Channel;
  readonly #query: OutboundQuery;
  readonly #limits: Limits;
  readonly #clock: AliveClock;
  readonly #log: Log;
  readonly #stopFollowing: () => void;
  /** Last row that was sent. */
  #sentSeq: number;
  /** Last row whose drifts it was told of. */
  #toldSeq: number;
  /** Last notice that was told. */
  #noticeId: number;
  /** Row up to which this is a replay of what happened before it came: never conflated. */
  readonly #replayTo: number;
  /** The socket holds more than it should; sending goes on when it has drained. */
  #full: boolean;
  /** It has just caught up after being behind. */
  #wasBehind: boolean;
  /** When it first took no more rows, and has not had all of them since. */
  #stoppedMs: number | undefined;
  /** When the ping was sent that is not answered yet. */
  #probeMs: number | undefined;
  /** Number of the last ping, when it was sent, and the bytes before it and before the last one that was answered. */
  #probes: number;
  #probedMs: number;
  #probedBytes: number;
  #readBytes: number;
  #sentBytes: number;
  /** How much may be under way. */
  #windowBytes: number;
  /** The shortest time that an answer took. */
  #wayMs: number;
  /** Why sending goes on only when the ping is answered: it is behind, or has enough on its way. */
  #waits: 'behind' | 'window' | undefined;
  #nextSendMs: number;
  #rateTimer: NodeJS.Timeout | undefined;
  #idle: boolean;
  #overCut: boolean;
  /** How long its newest answered ping took; undefined before the first. */
  #answeredMs: number | undefined;
  #skippedRows: number;

  constructor(
    socket: WebSocket,
    stream: Duplex,
    channel: Channel,
    query: OutboundQuery,
    limits: Limits,
    snapshots: Snapshots,
    clock: AliveClock,
    log: Log,
  ) {
    this.#socket = socket;
    this.#stream = stream;
    this.channel = channel;
    this.#query = query;
    this.#limits = limits;
    this.#clock = clock;
    this.#log = log;
    this.#sentSeq = channel.seq;
    this.#toldSeq = channel.seq;
    this.#noticeId = channel.notices.lastId;
    this.#replayTo = channel.seq;
    this.#full = false;
    this.#wasBehind = false;
    this.#stoppedMs = undefined;
    this.#probeMs = undefined;
    this.#probes = 0;
    this.#probedMs = clock.nowMs;
    this.#probedBytes = 0;
    this.#readBytes = 0;
    this.#sentBytes = 0;
    this.#windowBytes = FIRST_WINDOW_BYTES;
    this.#wayMs = Number.POSITIVE_INFINITY;
    this.#waits = undefined;
    this.#nextSendMs = 0;
    this.#rateTimer = undefined;
    this.#idle = false;
    this.#overCut = false;
    this.#answeredMs = undefined;
    this.#skippedRows = 0;
    const recovered = this.#resume();
    this.#toldSeq = this.#sentSeq;
    this.#write(snapshots.text(channel, this.#sentSeq, recovered, query.key));
    this.#stopFollowing = channel.follow(this);
    this.pump();
  }

  /** Called at intervals: says that the channel is alive when nothing else has, and cuts off who is stuck. */
  heartbeat(): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const { cutAboveBytes, cutAfterMs } = this.#limits;
    const overCut = this.#socket.bufferedAmount > cutAboveBytes;
    const unanswered = this.#probeMs !== undefined && this.#clock.nowMs - this.#probeMs > cutAfterMs;
    if (unanswered || (overCut && this.#overCut)) {
      this.#evict();
      return;
    }
    // a large message may be on its way: twice in a row is stuck
    this.#overCut = overCut;
    if (this.#idle && !this.#full && this.#waits === undefined) this.#say({ type: 'heartbeat', seq: this.#sentSeq });
    this.#idle = true;
  }

  /** Rows that have gone out and were not sent to it yet. */
  get lagRows(): number {
    return this.channel.seq - this.#sentSeq;
  }

  /** How old what it has read is, at most, by its newest ping; undefined while it was not asked. */
  get stalenessMs(): number | undefined {
    const waitsMs = this.#probeMs === undefined ? this.#answeredMs : this.#clock.nowMs - this.#probeMs;
    return waitsMs === undefined ? undefined : Math.max(waitsMs, this.#answeredMs ?? 0);
  }

  /** How it reads, and how it keeps up. */
  figures() {
    const { view, onSlow, maxRate, key } = this.#query;
    const { lagRows, stalenessMs } = this;
    return {
      ...{ format: view.format, include: Array.from(view.include), onSlow },
      ...(maxRate !== undefined && { maxRate }),
      ...(key !== undefined && { key }),
      ...{ lagRows, skippedRows: this.#skippedRows },
      stalenessMs: stalenessMs === undefined ? null : Math.round(stalenessMs),
    };
  }

  /** A pong came: if it answers the last ping, everything that was sent before that has been read. */
  answered(payload: Buffer): void {
    if (this.#probeMs === undefined || payload.length !== 4 || payload.readUInt32LE() !== this.#probes) return;
    const tookMs = this.#clock.nowMs - this.#probeMs;
    this.#answeredMs = tookMs;
    this.channel.counters.staleness.observe(tookMs / 1_000);
    this.#measure(tookMs);
    this.#probeMs = undefined;
    this.#wasBehind ||= this.#waits === 'behind';
    this.#waits = undefined;
    this.pump();
  }

  /** The last message, before the socket is closed with `code`. */
  bye(code: number, retryAfterMs?: number): void {
    this.pump();
    this.#say({ type: 'bye', code, retryAfterMs });
  }

  close(): void {
    this.#stopFollowing();
    clearTimeout(this.#rateTimer);
  }

  /** Sends what the history has more, as far as the reader takes it. */
  pump(): void {
    const { newest } = this.channel.history;
    if (newest === undefined || newest.seq <= this.#sentSeq + 1) {
      this.#pump();
      return;
    }
    // several messages: one system call for all
    this.#stream.cork();
    try {
      this.#pump();
    } finally {
      this.#stream.uncork();
    }
  }

  #pump(): void {
    const { history, seq } = this.channel;
    const { key } = this.#query;
    for (;;) {
      const behind = this.#sentSeq < seq;
      const replay = this.#sentSeq < this.#replayTo;
      if (!behind) this.#stoppedMs = undefined;
      if (!this.#takes(replay)) {
        if (behind) this.#stoppedMs ??= this.#clock.nowMs;
        return;
      }
      if (!behind) {
        this.#sayNotices(seq);
        return;
      }
      const whole = history.from(this.#sentSeq + 1);
      const next = key === undefined ? whole : whole?.only(key);
      if (whole !== undefined && next === undefined) {
        // rows of other keys
        this.#sayNotices(whole.lastSeq);
        this.#sentSeq = whole.lastSeq;
        continue;
      }
      if (this.#mustWait()) return;
      if (next !== undefined && !this.#skips(next, seq, replay)) {
        this.#sayNotices(next.seq - 1);
        this.#send(next, 0, replay);
        continue;
      }
      const from = this.#sentSeq + 1;
      if (key !== undefined) {
        this.#leap(key, from, whole === undefined, replay);
        continue;
      }
      const newest = history.newest as Block;
      const skipped = newest.seq - from;
      this.channel.counters.skipped += skipped;
      this.#skippedRows += skipped;
      this.#sayNotices(newest.seq - 1);
      if (this.#query.onSlow === 'conflate' && !replay) {
        this.#send(newest, skipped, false);
      } else {
        this.#sayGap(from, newest.seq - 1, replay ? 'history' : 'slow');
        this.#send(newest, 0, false);
      }
    }
  }

  /** To the newest rows of a key. How many were left out is known only while all of them are in the history. */
  #leap(key: string, from: number, isCut: boolean, replay: boolean): void {
    let newest: Block | undefined;
    let skipped = 0;
    for (const block of this.channel.history.newestFirst()) {
      if (block.lastSeq < from) break;
      const part = block.from(from).only(key);
      if (newest === undefined) newest = part;
      else skipped += part?.rows ?? 0;
    }
    this.channel.counters.skipped += skipped;
    this.#skippedRows += skipped;
    this.#sayNotices((newest?.seq ?? this.channel.seq + 1) - 1);
    if (this.#query.onSlow === 'conflate' && !replay && !isCut && newest !== undefined) {
      this.#send(newest, skipped, false);
      return;
    }
    const to = newest === undefined ? this.channel.seq : newest.seq - 1;
    if (to >= from) this.#sayGap(from, to, replay ? 'history' : 'slow');
    if (newest === undefined) this.#sentSeq = this.channel.seq;
    else this.#send(newest, 0, false);
  }

  /** Finds where `since` says it was; true when it can go on from there. */
  #resume(): boolean {
    const { since } = this.#query;
    const { epoch, seq, restoredSeq, startSeq, history } = this.channel;
    if (since === undefined || since.epoch !== epoch) return false;
    if (since.seq > seq) {
      this.#say({
        type: 'error',
        code: 'SEQ_FUTURE',
        message: `since ${since.seq} is later than row ${seq}, the last of this channel`,
        retry: false,
      });
      return false;
    }
    if (since.seq === seq || history.from(since.seq + 1) !== undefined) {
      this.#sentSeq = since.seq;
      this.#noticeId = this.channel.notices.idAt(since.seq);
      return true;
    }
    // rows after the checkpoint died with the process before this one; their numbers are not given again
    const lost = since.seq >= restoredSeq && since.seq < startSeq;
    this.#sayGap(since.seq + 1, seq, lost ? 'restart' : 'history');
    return false;
  }

  #takes(replay: boolean): boolean {
    if (this.#full || this.#waits !== undefined || this.#socket.readyState !== this.#socket.OPEN) return false;
    // who asked to be closed is judged by its socket alone: a server that was busy must not close all of them
    if (this.#query.onSlow === 'close' && !replay) return true;
    if (this.#probeMs !== undefined && this.#clock.nowMs - this.#probeMs > this.#limits.conflateAfterMs) {
      this.#waits = 'behind';
      return false;
    }
    if (this.#sentBytes - this.#readBytes < this.#windowBytes) return true;
    this.#waits = 'window';
    this.#probe();
    return false;
  }

  /** Newest first, once it has been behind or is held to a rate; a replay is never cut short. */
  #skips(next: Block, seq: number, replay: boolean): boolean {
    if (replay || next.lastSeq >= seq) return false;
    if (this.#wasBehind || this.#query.maxRate !== undefined) return true;
    return this.#stoppedMs !== undefined && this.#clock.nowMs - this.#stoppedMs > this.#limits.conflateAfterMs / 2;
  }

  /** What was under way when the last ping was sent has taken so long to be read. */
  #measure(tookMs: number): void {
    const readBytes = this.#probedBytes - this.#readBytes;
    this.#readBytes = this.#probedBytes;
    this.#wayMs = Math.min(this.#wayMs, tookMs);
    const queuedMs = tookMs - this.#wayMs;
    const readInTime = (readBytes * this.#limits.conflateAfterMs) / (4 * Math.max(queuedMs, 1));
    if (readInTime < this.#windowBytes) {
      this.#windowBytes = Math.max(PROBE_BYTES, readInTime);
    } else if (readBytes >= this.#windowBytes / 2) {
      this.#windowBytes = Math.min(2 * this.#windowBytes, readInTime, this.#limits.cutAboveBytes);
    }
  }

  #mustWait(): boolean {
    const { maxRate } = this.#query;
    if (maxRate === undefined) return false;
    const nowMs = performance.now();
    const waitMs = this.#nextSendMs - nowMs;
    if (waitMs <= 0) {
      this.#nextSendMs = nowMs + 1_000 / maxRate;
      return false;
    }
    this.#rateTimer ??= setTimeout(() => {
      this.#rateTimer = undefined;
      this.pump();
    }, Math.ceil(waitMs));
    return true;
  }

  #send(block: Block, skipped: number, replay: boolean): void {
    const { onSlow, view } = this.#query;
    const { conflateAboveBytes } = this.#limits;
    const socket = this.#socket;
    const message = block.encode(view, skipped, replay);
    if (
      this.#stream.writableCorked > 0 &&
      socket.bufferedAmount + message.length > Math.min(GATHERED_BYTES, conflateAboveBytes)
    ) {
      // the system is asked to take it, so that what waits is what it did not take
      this.#stream.uncork();
      this.#stream.cork();
    }
    if (onSlow === 'close' && !replay && socket.bufferedAmount > conflateAboveBytes) {
      this.#evict();
      return;
    }
    this.#idle = false;
    this.#wasBehind = false;
    this.#sentSeq = block.lastSeq;
    const fills = socket.bufferedAmount + message.length > conflateAboveBytes;
    if (fills && (replay || onSlow !== 'close')) {
      this.#full = true;
      this.#stream.write(message, () => {
        // runs when the system has taken all of it
        this.#full = false;
        this.#wasBehind = !replay;
        this.pump();
      });
    } else {
      this.#stream.write(message);
    }
    this.#tellDrifts();
    this.#sentBytes += message.length;
    if (replay) this.#stoppedMs = undefined;
    const unasked = this.#sentBytes - this.#probedBytes;
    const due = unasked >= PROBE_BYTES && this.#clock.nowMs >= this.#probedMs + this.#limits.conflateAfterMs;
    if (fills || due || unasked >= this.#windowBytes / 2) this.#probe();
  }

  /** Of the rows that were sent, and of those left out before them. */
  #tellDrifts(): void {
    for (const drift of this.channel.drifts.between(this.#toldSeq, this.#sentSeq, this.#query.key)) this.#say(drift);
    this.#toldSeq = this.#sentSeq;
  }

  /** Asks how far it is: the pong comes when everything before the ping has been read. */
  #probe(): void {
    if (this.#probeMs !== undefined) return;
    this.#probeMs = this.#clock.nowMs;
    this.#probedMs = this.#probeMs;
    this.#probedBytes = this.#sentBytes;
    this.#probes = (this.#probes + 1) >>> 0;
    const number = Buffer.allocUnsafe(4);
    number.writeUInt32LE(this.#probes);
    this.#socket.ping(number);
  }

  #evict(): void {
    const [from, to] = [this.#sentSeq + 1, this.channel.seq];
    this.channel.counters.evicted++;
    this.#log.write('subscriber.evicted', `a subscriber of ${this.channel.name} was too slow at row ${from}`, {
      ...{ channel: this.channel.name, from, to },
    });
    this.#sayGap(from, to, 'slow');
    this.#socket.close(1013, 'too slow');
    // a full socket would hold its buffers until the close times out
    setTimeout(() => this.#socket.terminate(), 1_000).unref();
  }

  #sayGap(from: number, to: number, reason: GapReason): void {
    this.channel.counters.gap(reason);
    this.#say({ type: 'gap', from, to, reason });
  }

  /** What comes after rows up to `seq` and was not told yet. */
  #sayNotices(seq: number): void {
    const { notices, counters } = this.channel;
    for (;;) {
      const notice = notices.next(this.#noticeId, seq);
      if (notice === undefined) return;
      this.#noticeId = notice.id;
      counters.gap('upstream');
      this.#write(notice.text);
    }
  }

  #say(message: object): void {
    this.#write(JSON.stringify(message));
  }

  #write(text: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#idle = false;
    this.#socket.send(text);
  }
}
