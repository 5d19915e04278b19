/**
 * Many subscribers, or a few slow ones, in a process of their own that can be stopped: `node crowd.mjs`. They speak
 * WebSocket by hand, since thousands of them must cost less than what they measure, and come from many addresses of
 * 127.0.0.0/8. Takes one command at a time from its parent and answers each with `{ done }`:
 *
 *   { open: number, url, query?, bytesPerSecond?, withinMs?, first? }  connects, spread over `withinMs`; done when all
 *                                                                      have their snapshot or were refused
 *   { report: true }      what they have heard since the last report
 *   { drop: true }        destroys all sockets at once
 */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const EMPTY = Buffer.alloc(0);
const readers = new Set();
let heard = newReport();

function newReport() {
  // [type, seq or from, rows or to, skipped, age in ms, time since the epoch]: of the first of the readers only
  return { messages: 0, rows: 0, skipped: 0, snapshots: 0, holes: 0, ages: [], refusals: {}, closes: {}, events: [] };
}

class Reader {
  constructor({ url, query = '', bytesPerSecond, detailed }, index, ready) {
    const { hostname, port, pathname } = new URL(url);
    this.bytesPerSecond = bytesPerSecond;
    this.detailed = detailed;
    this.buffered = EMPTY;
    this.upgraded = false;
    this.nextSeq = undefined;
    this.ready = ready;
    // ten of them share an address
    const n = Math.floor(index / 10) + 2;
    const localAddress = `127.1.${Math.floor(n / 250) + 1}.${(n % 250) + 1}`;
    this.socket = connect({ host: hostname, port: Number(port), localAddress }, () => {
      this.socket.write(
        `GET ${pathname}${query} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
      );
    });
    this.socket.on('data', (bytes) => this.data(bytes));
    this.socket.on('error', (error) => this.settled(error.code));
    this.socket.on('close', () => {
      readers.delete(this);
      this.settled('closed');
      count(heard.closes, this.code ?? 1006);
    });
  }

  settled(refusal) {
    if (this.ready === undefined) return;
    if (refusal !== undefined) count(heard.refusals, refusal);
    this.ready();
    this.ready = undefined;
  }

  data(bytes) {
    if (this.bytesPerSecond !== undefined) {
      this.socket.pause();
      setTimeout(() => this.socket.resume(), (bytes.length / this.bytesPerSecond) * 1_000);
    }
    this.buffered = this.buffered.length === 0 ? bytes : Buffer.concat([this.buffered, bytes]);
    if (!this.upgraded) {
      const end = this.buffered.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = this.buffered.toString('latin1', 0, end);
      if (!head.startsWith('HTTP/1.1 101')) {
        const retry = /retry-after: (\d+)/i.exec(head)?.[1];
        this.settled(`${head.slice(9, 12)}${retry === undefined ? '' : ` Retry-After ${retry}`}`);
        this.socket.destroy();
        return;
      }
      this.upgraded = true;
      this.buffered = this.buffered.subarray(end + 4);
    }
    this.frames();
  }

  frames() {
    const { buffered } = this;
    let at = 0;
    for (;;) {
      if (buffered.length - at < 2) break;
      const short = buffered[at + 1];
      const header = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (buffered.length - at < header) break;
      const length =
        short < 126 ? short : short === 126 ? buffered.readUInt16BE(at + 2) : buffered.readUInt32BE(at + 6);
      if (buffered.length - at < header + length) break;
      this.frame(buffered[at] & 15, buffered.subarray(at + header, at + header + length));
      at += header + length;
    }
    this.buffered = at === buffered.length ? EMPTY : buffered.subarray(at);
  }

  frame(opcode, payload) {
    if (opcode === 9) {
      // masked with zeros, which is allowed and changes nothing
      this.socket.write(Buffer.concat([Buffer.from([0x8a, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
    } else if (opcode === 8) {
      this.code = payload.length >= 2 ? payload.readUInt16BE() : 1005;
      this.socket.end(Buffer.concat([Buffer.from([0x88, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
    } else if (opcode === 1) {
      this.said(JSON.parse(payload.toString()));
    } else if (opcode === 2) {
      const [rows, skipped, seq] = [payload.readUInt32LE(12), payload.readUInt32LE(20), payload.readDoubleLE(24)];
      const hasTimes = (payload[6] & 2) !== 0;
      const time = payload.readDoubleLE(hasTimes ? 40 + 8 * (rows - 1) : 32);
      this.next(seq, rows, skipped, time);
    }
  }

  next(seq, rows, skipped, time) {
    heard.messages++;
    heard.rows += rows;
    heard.skipped += skipped;
    if (this.nextSeq + skipped !== seq) heard.holes++;
    this.nextSeq = seq + rows;
    heard.ages.push(Date.now() - time);
  }

  said(message) {
    if (message.type === 'snapshot') {
      this.nextSeq = message.seq + 1;
      heard.snapshots++;
      this.settled();
    } else if (message.type === 'next') {
      this.next(message.seq, message.t.length, message.skipped ?? 0, message.t.at(-1));
    } else if (message.type === 'gap') {
      this.nextSeq = message.to + 1;
    }
    if (!this.detailed) return;
    const { type, seq, t, from, to, reason, skipped, recovered } = message;
    const age = t && Date.now() - t.at(-1);
    heard.events.push({ type, seq: seq ?? from, rows: t?.length, to, reason, skipped, recovered, age, at: Date.now() });
  }
}

function count(of, name) {
  of[name] = (of[name] ?? 0) + 1;
}

let opened = 0;

async function open(command) {
  const { open: many, withinMs = 0 } = command;
  const start = performance.now();
  const settled = [];
  for (let i = 0; i < many; ) {
    // so that neither side's queue of connections overflows
    const due = withinMs === 0 ? i + 50 : Math.ceil((many * (performance.now() - start)) / withinMs);
    for (; i < Math.min(due, many); i++) {
      settled.push(
        new Promise((resolve) => readers.add(new Reader(command, (command.first ?? 0) + opened++, resolve))),
      );
    }
    if (withinMs === 0) await Promise.all(settled);
    else await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(settled);
  return { ms: performance.now() - start };
}

function report() {
  const told = { ...heard, open: readers.size, ages: Float64Array.from(heard.ages) };
  heard = newReport();
  return told;
}

process.on('message', async (command) => {
  if (command.open !== undefined) process.send({ done: await open(command) });
  else if (command.report) process.send({ done: report() });
  else if (command.drop) {
    for (const { socket } of readers) socket.destroy();
    process.send({ done: {} });
  }
});
process.once('disconnect', () => process.exit(1));
