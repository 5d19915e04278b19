import type { RawData, WebSocket } from 'ws';
import { StreamnormError } from '../errors.ts';
import type { Channel } from './channel.ts';
import type { Limits } from './config/limits.ts';
import { cutOff } from './cut-off.ts';
import { nestsDeeperThan } from './json-depth.ts';
import type { Log } from './log.ts';
import { PerMinute } from './per-minute.ts';
import type { ProducerRate } from './producer-rates.ts';
import { type Push, readBinaryPush, readJsonPush } from './push.ts';
import type { PushForm } from './push-form.ts';

/** Answers that a producer has not read: above this it is not listened to until it does. */
const MAX_UNREAD_BYTES = 65_536;

/** Rows of a producer on their way to a log: above this it is not listened to until fewer are. */
const MAX_ROWS_UNDER_WAY = 16_384;

/** Rows nest two deep; unknown fields, which are passed over, may hold more. Small messages are parsed before that is known. */
const MAX_DEPTH = 64;
const MAX_UNLOOKED_BYTES = 16_384;

/** Takes the messages of one producer: each is applied whole, or answered with an error and nothing has changed. */
export class Producer {
  readonly #socket: WebSocket;
  readonly #channel: Channel;
  readonly #form: PushForm;
  readonly #log: Log;
  readonly #rate: ProducerRate;
  readonly #holder: string | undefined;
  readonly #connection: string;
  readonly #errors: PerMinute;
  /** Rows that it has pushed, and messages that were refused. */
  rows: number;
  refused: number;
  /** When its last message came, on the clock of `performance`; undefined before the first. */
  lastMs: number | undefined;
  /** Answers go in the order of the messages. */
  #answers: Promise<void>;
  /** Rows on their way to a log. */
  #rowsUnderWay: number;
  /** Answers that wait for it to read. */
  #unread: number;
  /** Nothing more is taken from it. */
  #failed: boolean;

  /**
   * @param key of rows that bring none
   * @param holder whose token it has
   * @param connection its number, which names it where nothing else does
   */
  constructor(
    socket: WebSocket,
    channel: Channel,
    limits: Limits,
    rate: ProducerRate,
    log: Log,
    key: string | undefined,
    holder: string | undefined,
    connection: number,
  ) {
    this.#socket = socket;
    this.#rate = rate;
    this.#holder = holder;
    this.#connection = `connection:${connection}`;
    this.#channel = channel;
    this.#log = log;
    const { features, time, keys } = channel.config;
    this.#form = { features, time, key: keys?.field, connectionKey: key, maxRows: limits.maxRowsPerMessage };
    this.#errors = new PerMinute(limits.maxErrorsPerMinute);
    this.rows = 0;
    this.refused = 0;
    this.lastMs = undefined;
    this.#answers = Promise.resolve();
    this.#rowsUnderWay = 0;
    this.#unread = 0;
    this.#failed = false;
  }

  message(data: RawData, isBinary: boolean): void {
    // what was under way when it was cut off
    if (this.#socket.readyState !== this.#socket.OPEN || this.#failed) return;
    const channel = this.#channel;
    channel.counters.messages++;
    this.lastMs = performance.now();
    try {
      // ws hands over one Buffer, since binaryType is 'nodebuffer'
      const bytes = data as Buffer;
      this.#rate.takeBytes(bytes.length);
      const now = Date.now();
      if (!isBinary && bytes.length > MAX_UNLOOKED_BYTES && nestsDeeperThan(MAX_DEPTH, bytes)) {
        throw new StreamnormError('BAD_JSON', `arrays and records nest more than ${MAX_DEPTH} deep`);
      }
      const push = isBinary ? readBinaryPush(bytes, this.#form, now) : readJsonPush(bytes.toString(), this.#form, now);
      this.#rate.takeRows(push.rows);
      const done = channel.push(push, this.#nameOf(push));
      this.rows += push.rows;
      if (typeof done !== 'boolean') this.#later(push, done);
      else if (push.answered) this.#say({ type: 'accepted', producer: push.producer, seq: push.seq });
    } catch (error) {
      if (!(error instanceof StreamnormError)) throw error;
      this.#refuse(error);
    }
  }

  /** Its token, which it cannot choose, then the name that it gives itself: many may have one token. */
  #nameOf({ producer }: Push): string {
    if (this.#holder === undefined) return producer ?? this.#connection;
    return producer === undefined ? this.#holder : `${this.#holder}/${producer}`;
  }

  /** Answers when the log has it. */
  #later(push: Push, done: Promise<boolean>): void {
    const socket = this.#socket;
    this.#rowsUnderWay += push.rows;
    if (this.#rowsUnderWay > MAX_ROWS_UNDER_WAY) socket.pause();
    const settled = done.then(
      () => undefined,
      (error: unknown) => error,
    );
    this.#answers = this.#answers.then(async () => {
      const error = await settled;
      this.#rowsUnderWay -= push.rows;
      if (this.#failed) return;
      if (error === undefined) {
        if (push.answered) this.#say({ type: 'accepted', producer: push.producer, seq: push.seq });
      } else if (error instanceof StreamnormError) {
        this.#refuse(error);
        // cut off: not to be read again
        if (this.#failed) return;
        // what comes behind a push that is to be sent again must not get ahead of it: it begins anew with that one
        this.#failed = error.code === 'OVERLOADED' || error.code === 'UNAVAILABLE';
        if (this.#failed) socket.close(1013, 'the log does not take this now');
      } else {
        this.#log.bug(error);
        this.#failed = true;
        socket.close(1011, 'internal error');
      }
      // its answer to the close is read, what else comes is passed over
      if (this.#failed) socket.resume();
      else this.#listen();
    });
  }

  /** Listens again once neither the log nor its own answers are behind. */
  #listen(): void {
    if (!this.#failed && this.#unread === 0 && this.#rowsUnderWay <= MAX_ROWS_UNDER_WAY) this.#socket.resume();
  }

  #refuse({ code, message, row, retryAfterMs }: StreamnormError): void {
    const { name: channel, counters } = this.#channel;
    counters.error(code);
    this.refused++;
    // without the message of the error, which quotes what the producer sent
    this.#log.write('message.refused', `a message to ${channel} was refused: ${code}`, {
      ...{ channel, code, ...(row !== undefined && { row }) },
    });
    const retry = code === 'OVERLOADED' || code === 'UNAVAILABLE' || retryAfterMs !== undefined;
    this.#say({ type: 'error', code, message, row, retry, retryAfterMs });
    // a producer that sends on while the server closes does nothing wrong
    if (code === 'OVERLOADED' || this.#errors.allows()) return;
    this.#failed = true;
    if (code === 'RATE') cutOff(this.#socket, 4429, 'too many messages above the rate in a minute');
    else cutOff(this.#socket, 1008, 'too many errors in a minute');
  }

  #say(message: object): void {
    const socket = this.#socket;
    const text = JSON.stringify(message);
    if (socket.bufferedAmount <= MAX_UNREAD_BYTES) {
      socket.send(text);
    } else {
      this.#unread++;
      socket.pause();
      socket.send(text, () => {
        this.#unread--;
        this.#listen();
      });
    }
  }
}
