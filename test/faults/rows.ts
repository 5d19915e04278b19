/**
 * Every fault that is tested, and what must happen: the one source of the table in README.
 *
 * A row is proved by exactly one test, `fault('<its name>', …)` in a file of this folder; `test/checks/faults.test.ts`
 * holds the two equal. `npm run faults` runs all of them and prints the table; `npm run faults -- --write` puts it into
 * README, and `npm run faults -- --write NAME …` only the rows named.
 */
export interface FaultRow {
  readonly fault: string;
  readonly expected: string;
  /** Too slow, or too heavy, for `npm test`: it is run by `npm run faults` alone. */
  readonly slow?: true;
}

const rows = <Name extends string>(of: Record<Name, FaultRow>) => of;

export const SECTIONS = {
  'Upstream feed': rows({
    'upstream-reset': {
      fault: 'RST in the middle of a batch',
      expected: 'the open window closes, opening messages are sent again, no row twice, the hole is told',
    },
    'upstream-half-open': {
      fault: 'half-open connection (a cut cable between two network namespaces)',
      expected: 'noticed within the deadline, cut, made anew',
      slow: true,
    },
    'upstream-mute': {
      fault: 'accepts TCP, never answers the handshake',
      expected: 'given up at 10 s, tried again after a back-off',
    },
    'upstream-clean-close': { fault: 'clean close 1000, 1001, 1012, 1013', expected: 'connected again' },
    'upstream-refused': {
      fault: '4401, 1008, HTTP 401, 403',
      expected: 'state failed, health degraded, no further try; exit code 69 of the command line',
    },
    'upstream-retry-after': {
      fault: '429 and 503 with Retry-After',
      expected: 'waits that long, and some more by chance',
    },
    'upstream-flapping': {
      fault: '50 open/close cycles, 100 ms up',
      expected: 'the back-off grows; no socket is left',
    },
    'upstream-silent': {
      fault: 'alive but silent',
      expected: 'noticed at the deadline, made anew; statistics by time have aged over the hole',
    },
    'upstream-habits': {
      fault: 'several messages on open, token, heartbeats and acks between data, strings for numbers, {stream, data}',
      expected: 'all by configuration; nothing bad, not cut off for talking',
    },
    'upstream-sequence': {
      fault: 'sequence gap, duplicate, reorder, reset',
      expected: 'gap told and counted; duplicate left out; sorted; a new count is a hole',
    },
    'upstream-burst': {
      fault: 'bursts 100× for 2 s, and 100,000 messages at once',
      expected: 'the socket is paused, what is too much waits at its sender, nothing lost',
    },
  }),
  Subscribers: rows({
    'subscriber-never-reads': {
      fault: 'a subscriber never reads',
      expected: 'gone within 25 s, at most 1 MiB held for it',
    },
    'subscriber-half-rate': {
      fault: 'a subscriber reads at half the rate',
      expected: 'at most 1 s behind; `skipped` says how many rows it did not get; order kept',
    },
    'subscriber-policies': {
      fault: 'a slow subscriber with `onSlow=drop`, or `close`',
      expected: 'a `gap` with reason slow; 1013, or torn down within 1 s where it reads nothing',
    },
    'subscriber-stopped': {
      fault: 'a subscriber stopped (SIGSTOP) for 10 s, and one for 60 s',
      expected: 'conflated, and evicted; on waking the newest rows, nothing of the time between',
    },
    'subscribers-10000': {
      fault: '10,000 subscribers, one message a second',
      expected: 'all served; push to `accepted` meanwhile < 50 ms (99th percentile)',
      slow: true,
    },
    'subscriber-10001st': {
      fault: 'one subscriber more than `maxConnections`',
      expected: '503 with Retry-After before the upgrade; the others go on',
    },
    'subscribers-reconnect': {
      fault: '2,000 subscribers reconnect within a second',
      expected: 'all back within 30 s; the snapshot is written once',
    },
    'subscriber-resumes': {
      fault: '`since` inside the history, too old, in the future, of another epoch, before any data',
      expected: 'replay; `gap` and snapshot; `SEQ_FUTURE` and snapshot; snapshot; works',
    },
    'subscriber-joins': {
      fault: 'subscribers join while a batch is open',
      expected: 'the first row is the one after the snapshot; no hole, no row twice',
    },
  }),
  'Frames and numbers': rows({
    'frame-too-large': { fault: 'a message one byte above the limit', expected: '1009, nothing parsed' },
    'frame-floods': {
      fault: '17,000 empty fragments; a flood of pings; 100,000 empty messages',
      expected: 'cut',
    },
    'json-bad': {
      fault: 'invalid JSON, a byte order mark, empty, `null`, `[]`, 200,000 arrays in each other',
      expected: '`BAD_JSON`, the socket stays; too many in a minute: 1008',
    },
    'names-hostile': {
      fault: '`__proto__`, `constructor`, `toString` as field, channel, feature or producer',
      expected: 'data, or refused; no prototype is touched',
    },
    'rows-misshapen': {
      fault: 'a wrong number of features, ragged rows, no rows, too many',
      expected: '`BAD_DIM` with the row; the whole message refused, the state untouched',
    },
    'values-odd': {
      fault: 'NaN, `"NaN"`, `"1.5"`, true, 1e309, -0, 5e-324, 1.8e308',
      expected: 'refused or flagged; nothing that is not finite enters a statistic or goes out',
    },
    'feature-constant': {
      fault: 'a constant feature; one sample; 1e9 + noise',
      expected: 'no NaN out, no cancellation',
    },
    'binary-bad': {
      fault: 'a binary frame with a wrong magic, version, type, header length or size; at an odd offset',
      expected: '`BAD_FRAME`; read',
    },
    'push-duplicate': { fault: 'a push that came before', expected: '`accepted`, not applied' },
    'producer-mad': {
      fault: 'a producer goes mad (× 1e6)',
      expected: 'its rows are flagged and kept out by `producerGuard` or `range`, or cut to `clip`',
    },
  }),
  Handshake: rows({
    'handshake-dawdles': { fault: 'no byte comes; headers dripped', expected: 'closed within 6 s' },
    'handshake-origin': {
      fault: 'Origin missing, not listed, look-alike, `null`; a name that was made to resolve to this machine',
      expected: '403 for pages that are not listed',
    },
    'handshake-token': {
      fault: 'no token, an expired one, `alg: none`, of another audience; expiry while connected',
      expected: '401, 4401',
    },
    'handshake-role': { fault: 'a subscriber pushes; a producer on a foreign channel', expected: 'refused, counted' },
    'handshake-large': { fault: '3,000 headers; a header of 16 KiB; 50 subprotocols', expected: 'refused' },
    'handshake-exception': {
      fault: 'an exception in a handler of ours',
      expected: 'that socket 1011, the process lives',
    },
  }),
  'Process, disk, clock': rows({
    'process-killed': {
      fault: 'kill -9 at 200 random moments, a checkpoint nearly always on its way',
      expected: 'the former or the new state, never a mix; at most one interval lost, told in a `gap`',
    },
    'sigterm-under-load': {
      fault: 'SIGTERM under load',
      expected: 'windows closed, state saved, bye and 1012 spread out, exit 0 within 30 s, no accepted row lost',
    },
    'second-sigterm': { fault: 'a second SIGTERM while it closes', expected: 'gone within 1 s' },
    'disk-fails': {
      fault: 'the disk is full, then read-only',
      expected: 'serving goes on, health says degraded, the old checkpoint is kept, and all is well when the disk is',
    },
    'checkpoint-damaged': {
      fault: 'a checkpoint truncated, empty, or with a bit flipped',
      expected: 'passed over in one clear line, the generation before it loads',
    },
    'checkpoint-does-not-fit': {
      fault: 'a checkpoint of other features or a newer version',
      expected: 'refused in one clear line, and left as it is',
    },
    'state-directory-shared': {
      fault: 'two processes on one state directory; the lock of one that was killed',
      expected: 'the second refuses; a stale lock is taken',
    },
    restart: { fault: 'a restart', expected: 'the same epoch, the next number, statistics bit-equal' },
    'wall-clock-steps': {
      fault: 'the wall clock steps by ±1 h',
      expected: 'only stamps change: windows, pings and heartbeats go by a monotonic clock',
    },
    'event-loop-blocked': { fault: 'the event loop is blocked for 2 s', expected: 'no mass eviction' },
    'heap-limit': {
      fault: 'overload with a heap of 256 MiB',
      expected: 'rows are left out for the slow, by policy; the process lives',
    },
    'start-refused': {
      fault: 'the port is in use; a wrong config; an unknown key',
      expected: 'one clear message, all errors of the config at once, exit code not 0',
    },
  }),
} as const;

type Sections = typeof SECTIONS;

/** Name of a row. */
export type FaultName = { [S in keyof Sections]: keyof Sections[S] & string }[keyof Sections];

export interface NamedFault extends FaultRow {
  readonly name: FaultName;
  readonly section: keyof Sections;
}

/** All rows in the order of the table. */
export const FAULTS: readonly NamedFault[] = Object.entries(SECTIONS).flatMap(([section, of]) =>
  Object.entries(of as Record<FaultName, FaultRow>).map(([name, row]) => ({
    ...row,
    name: name as FaultName,
    section: section as keyof Sections,
  })),
);

/** Title of the test that proves a row. */
export function titleOf({ fault, expected }: FaultRow): string {
  return `${fault}: ${expected}`;
}
