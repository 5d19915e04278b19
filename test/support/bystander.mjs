/**
 * A producer and a subscriber that do nothing wrong, in a process of their own, so that nothing disturbs them but the
 * server: `node bystander.mjs <ws://host> <channel> <features> <pushes a second> <rows a push>`. Written after the
 * description of the wire, without anything of ours. Takes `{ phase }` and `{ stop: true }` from its parent and ends with a report.
 */
import { WebSocket } from 'ws';

const [host, channel, columns, perSecond, rowsPerPush] = process.argv.slice(2);

const producer = new WebSocket(`${host}/in/${channel}`);
const problems = [];
const raw = [];
const sentMs = new Map();
const pushedMs = new Map();
const latencies = {};
const ingest = {};
// how late its own timer is: what a busy machine does to everybody
const lateness = {};
let phase = 'alone';
let nextSeq;
let sent = 0;
let accepted = 0;
let received = 0;
let own = 0;
let epoch;
let recoveries = 0;

producer.on('error', (error) => problems.push(`producer: ${error.message}`));
producer.on('close', (code) => {
  if (!done) problems.push(`producer closed with ${code}`);
});
let done = false;
let reader = read('');

function read(since) {
  const socket = new WebSocket(`${host}/out/${channel}?format=f64&include=raw${since}`);
  socket.on('error', (error) => problems.push(`reader: ${error.message}`));
  socket.on('close', (code) => {
    if (!done && socket === reader) problems.push(`reader closed with ${code}`);
  });
  socket.on('message', (data, isBinary) => {
    if (socket !== reader) return;
    if (isBinary) {
      frame(data);
      return;
    }
    const said = JSON.parse(data.toString());
    if (said.type === 'snapshot') {
      epoch = said.epoch;
      if (nextSeq === undefined) {
        nextSeq = said.seq + 1;
        started(said.seq);
      } else if (!said.recovered) problems.push(`row ${nextSeq} was no longer to be had`);
    } else if (said.type !== 'heartbeat') problems.push(`reader was told ${data}`);
  });
  return socket;
}

function frame(data) {
  const [rows, width, skipped] = [data.readUInt32LE(12), data.readUInt32LE(16), data.readUInt32LE(20)];
  const seq = data.readDoubleLE(24);
  if (seq !== nextSeq && seq === nextSeq + skipped) {
    // this process had to wait for a core and was taken for a slow reader: it fetches what it has missed
    recoveries++;
    const late = reader;
    reader = read(`&since=${epoch}.${nextSeq - 1}`);
    late.terminate();
    return;
  }
  if (seq !== nextSeq) problems.push(`row ${nextSeq} was expected, ${seq} came`);
  nextSeq = seq + rows;
  const hasTimes = (data[6] & 2) !== 0;
  const values = hasTimes ? 40 + rows * 8 : 40;
  for (let row = 0; row < rows; row++) {
    heard(data.readDoubleLE(hasTimes ? 40 + row * 8 : 32));
    for (let j = 0; j < width; j++) raw.push(data.readDoubleLE(values + (row * width + j) * 8));
    received++;
  }
}

function heard(time) {
  const was = sentMs.get(time);
  if (was === undefined) return;
  sentMs.delete(time);
  latencies[was.phase] ??= [];
  latencies[was.phase].push(performance.now() - was.ms);
  own++;
}

producer.on('message', (data) => {
  const said = JSON.parse(data.toString());
  if (said.type === 'accepted') {
    accepted++;
    const was = pushedMs.get(said.seq);
    pushedMs.delete(said.seq);
    ingest[was.phase] ??= [];
    ingest[was.phase].push(performance.now() - was.ms);
  } else problems.push(`producer was told ${data}`);
});

let timer;
let dueMs = Number.POSITIVE_INFINITY;
async function started(seq) {
  if (producer.readyState !== producer.OPEN) await new Promise((resolve) => producer.once('open', resolve));
  timer = setInterval(push, 1_000 / Number(perSecond));
  process.send({ started: seq });
}

function push() {
  const n = ++sent;
  lateness[phase] ??= [];
  lateness[phase].push(Math.max(0, performance.now() - dueMs));
  dueMs = performance.now() + 1_000 / Number(perSecond);
  // now, and different from all others
  const time = Date.now() + (n % 1_024) / 1_024;
  const row = (i) => Array.from({ length: Number(columns) }, (_, j) => Math.sin(i * (j + 1.7)) * (j + 1) + 10 * j);
  const x = Array.from({ length: Number(rowsPerPush) }, (_, i) => row(n * Number(rowsPerPush) + i));
  const now = { ms: performance.now(), phase };
  sentMs.set(time, now);
  pushedMs.set(n, now);
  producer.send(JSON.stringify({ type: 'push', producer: 'bystander', seq: n, t: time, x }));
}

process.on('message', (said) => {
  if (said.phase !== undefined) {
    phase = said.phase;
    process.send({ phase });
  }
  if (said.stop) {
    clearInterval(timer);
    const end = performance.now() + 10_000;
    // until every row of its own has come back
    const waiting = setInterval(() => {
      if ((accepted < sent || own < sent) && performance.now() < end) return;
      clearInterval(waiting);
      done = true;
      if (own < sent) problems.push(`${sent - own} of its ${sent} pushes did not come back`);
      if (accepted < sent) problems.push(`${sent - accepted} of its ${sent} pushes were not answered`);
      const counts = { sent, accepted, received, lastSeq: nextSeq - 1, recoveries };
      process.send({ report: { problems, ...counts, latencies, ingest, lateness, raw: Float64Array.from(raw) } }, () =>
        process.exit(0),
      );
    }, 5);
  }
});
process.once('disconnect', () => process.exit(1));
