import { describe, expect, test } from 'vitest';
import {
  ChannelHistory,
  columnOf,
  MEAN,
  type Notice,
  RAW,
  SEQ,
  STD,
  TIME,
  Z,
} from '../../dashboard/channel-history.ts';
import type { Next, Snapshot, Statistics } from '../../dashboard/messages.ts';

const statistics = (mean: number, std: number, version = 1): Statistics => ({
  version,
  time: 0,
  rows: 0,
  mean: [mean, null],
  std: [std, null],
  batch: null,
});

const snapshot = (seq: number, more: Partial<Snapshot> = {}): Snapshot => ({
  type: 'snapshot',
  channel: 'c',
  epoch: 'e1',
  seq,
  features: ['a', 'b'],
  ...more,
});

/** Rows `seq`, `seq` + 1, … with raw value = row number, z = −raw, a row every 100 ms. */
const next = (seq: number, count = 1, more: Partial<Next> = {}): Next => {
  const numbers = Array.from({ length: count }, (_, i) => seq + i);
  return {
    type: 'next',
    seq,
    t: numbers.map((n) => n * 100),
    z: numbers.map((n) => [-n, null]),
    raw: numbers.map((n) => [n, null]),
    ...more,
  };
};

function history(kept: number[] = [0]) {
  const notices: Notice[] = [];
  const fold = new ChannelHistory({ kept, capacity: 100, onNotice: (notice) => notices.push(notice) });
  const column = (which: number, slot = 0) => [...fold.series.view(columnOf(slot, which))];
  return { fold, column, seqs: () => [...fold.series.view(SEQ)], texts: () => notices.map(({ text }) => text) };
}

describe('ChannelHistory', () => {
  test('draws the rows of each message with the statistics after it', () => {
    const { fold, column, seqs } = history();
    fold.snapshot(snapshot(0), 0);
    expect(fold.next(next(1, 2, { stats: statistics(5, 2) }), 0)).toBe(2);
    expect(fold.next(next(3, 1, { stats: statistics(6, 3) }), 0)).toBe(1);
    expect(seqs()).toEqual([1, 2, 3]);
    expect([...fold.series.view(TIME)]).toEqual([100, 200, 300]);
    expect(column(RAW)).toEqual([1, 2, 3]);
    expect(column(Z)).toEqual([-1, -2, -3]);
    expect(column(MEAN)).toEqual([5, 5, 6]);
    expect(column(STD)).toEqual([2, 2, 3]);
    expect(fold.rows).toBe(3);
    expect(fold.since()).toBe('e1.3');
  });

  test('a message without statistics keeps those in force; null and a missing raw are not a number', () => {
    const { fold, column } = history([0, 1]);
    fold.snapshot(snapshot(0, { stats: statistics(1, 1) }), 0);
    fold.next(next(1, 1, { raw: undefined }), 0);
    expect(column(MEAN, 0)).toEqual([1]);
    expect(column(RAW, 0)).toEqual([Number.NaN]);
    expect(column(MEAN, 1)).toEqual([Number.NaN]);
    expect(column(Z, 1)).toEqual([Number.NaN]);
  });

  test('keeps the curves only of the features it was asked for', () => {
    const { fold, column } = history([1]);
    fold.next(next(1, 1, { z: [[1, 8]], raw: [[2, 9]] }), 0);
    expect(column(RAW)).toEqual([9]);
    expect(column(Z)).toEqual([8]);
    expect(fold.lastRaw).toEqual([2, 9]);
  });

  test('a gap breaks the curves, is counted and told', () => {
    const { fold, seqs, column, texts } = history();
    fold.next(next(1), 0);
    fold.gap({ type: 'gap', from: 2, to: 38, reason: 'slow' }, 0);
    fold.next(next(39), 0);
    expect(seqs()).toEqual([1, Number.NaN, 39]);
    expect(column(RAW)).toEqual([1, Number.NaN, 39]);
    expect(fold.skipped).toBe(37);
    expect(texts()).toEqual(['37 rows missing: this page or its line was too slow']);
    expect(fold.marks.between(0, 1e6, 'a')).toEqual([{ kind: 'gap', time: 100, seq: 1, label: 'gap 37' }]);
  });

  test('a hole upstream breaks the curves and is told, though no number is missing', () => {
    const { fold, seqs, texts } = history();
    fold.next(next(1), 0);
    fold.gap({ type: 'gap', from: 2, to: 1, reason: 'upstream', missed: 3 }, 0);
    fold.next(next(2), 0);
    fold.gap({ type: 'gap', from: 3, to: 2, reason: 'upstream', missed: null }, 0);
    expect(seqs()).toEqual([1, Number.NaN, 2, Number.NaN]);
    expect(texts()).toEqual([
      '3 messages of the source missing',
      'the source of the channel was interrupted; how much is missing is unknown',
    ]);
    expect(fold.marks.between(0, 1e6, 'a').map(({ label }) => label)).toEqual(['source gap', 'source gap']);
    expect(fold.skipped).toBe(0);
  });

  test('a gap before the first row is no gap: the page asked for more history than there is', () => {
    const { fold, seqs, texts } = history();
    fold.gap({ type: 'gap', from: 1, to: 50, reason: 'history' }, 0);
    fold.snapshot(snapshot(50), 0);
    fold.next(next(51), 0);
    expect(seqs()).toEqual([51]);
    expect(fold.skipped).toBe(0);
    expect(texts()).toEqual([]);
  });

  test('a hole that nobody explained breaks the curves', () => {
    const { fold, seqs, texts } = history();
    fold.next(next(1), 0);
    fold.next(next(4), 0);
    expect(seqs()).toEqual([1, Number.NaN, 4]);
    expect(texts()).toEqual(['2 rows missing: nobody said why']);
  });

  test('conflation thins the curves without breaking them', () => {
    const { fold, seqs, texts } = history();
    fold.next(next(1), 0);
    fold.next(next(5, 1, { skipped: 3 }), 0);
    expect(seqs()).toEqual([1, 5]);
    expect(fold.skipped).toBe(3);
    expect(texts()).toEqual([]);
  });

  test('rows that are replayed twice are drawn once', () => {
    const { fold, seqs } = history();
    fold.next(next(1, 3), 0);
    expect(fold.next(next(2, 3), 0)).toBe(1);
    expect(fold.next(next(1, 2), 0)).toBe(0);
    expect(seqs()).toEqual([1, 2, 3, 4]);
  });

  test('a recovered connection goes on without a break', () => {
    const { fold, seqs } = history();
    fold.snapshot(snapshot(0), 0);
    fold.next(next(1), 0);
    fold.snapshot(snapshot(3, { recovered: true }), 0);
    fold.next(next(2, 2), 0);
    expect(seqs()).toEqual([1, 2, 3]);
  });

  test('a connection that is not recovered breaks the curves', () => {
    const { fold, seqs, texts } = history();
    fold.snapshot(snapshot(0), 0);
    fold.next(next(1), 0);
    fold.snapshot(snapshot(9, { recovered: false }), 0);
    fold.next(next(10), 0);
    expect(seqs()).toEqual([1, Number.NaN, 10]);
    expect(texts()).toEqual(['8 rows missing: the server did not send them again']);
  });

  test('a server that was killed may have sent fewer rows than it leaves out', () => {
    const { fold, texts } = history();
    fold.next(next(1), 0);
    fold.gap({ type: 'gap', from: 2, to: 10_000, reason: 'restart' }, 0);
    expect(texts()).toEqual([
      'up to 9,999 rows missing: the server was killed; these numbers may never have been used',
    ]);
    expect(fold.marks.between(0, 1e6, 'a').map(({ label }) => label)).toEqual(['restart']);
  });

  test('row numbers that went back are new rows', () => {
    const { fold, seqs } = history();
    fold.snapshot(snapshot(0), 0);
    fold.next(next(1, 3), 0);
    fold.snapshot(snapshot(1, { recovered: false }), 0);
    fold.next({ ...next(2), t: [900] }, 0);
    expect(seqs()).toEqual([1, 2, 3, Number.NaN, 2]);
  });

  test('a new epoch breaks the curves and counts rows from its own beginning', () => {
    const { fold, seqs, texts } = history();
    fold.snapshot(snapshot(0), 0);
    fold.next(next(1, 5), 0);
    fold.snapshot(snapshot(0, { epoch: 'e2' }), 0);
    fold.next({ ...next(1), t: [900] }, 0);
    expect(seqs()).toEqual([1, 2, 3, 4, 5, Number.NaN, 1]);
    expect(fold.since()).toBe('e2.1');
    expect(texts()).toEqual(['the server lost its state: statistics and row numbers begin anew (epoch e2)']);
  });

  test('a long silence breaks the curves without a notice', () => {
    const { fold, seqs, texts } = history();
    for (const seq of [1, 2, 3]) fold.next(next(seq), 0);
    fold.next({ ...next(4), t: [60_000] }, 0);
    expect(seqs()).toEqual([1, 2, 3, Number.NaN, 4]);
    expect(texts()).toEqual([]);
  });

  test('a slow feed is not silent', () => {
    const { fold, seqs } = history();
    for (const seq of [1, 2, 3]) fold.next({ ...next(seq), t: [seq * 60_000] }, 0);
    expect(seqs()).toEqual([1, 2, 3]);
  });

  test('a late row is drawn at the newest time; a clock that goes back begins the curves anew', () => {
    const { fold, seqs, texts } = history();
    fold.next({ ...next(1), t: [100_000] }, 0);
    fold.next({ ...next(2), t: [99_000] }, 0);
    expect([...fold.series.view(TIME)]).toEqual([100_000, 100_000]);
    fold.next({ ...next(3), t: [1000] }, 0);
    expect(seqs()).toEqual([3]);
    expect(texts()).toEqual(['time went back, the curves begin anew']);
  });

  test('a drift is marked at its row, of its feature only, and told once though snapshots tell it again', () => {
    const { fold, texts } = history();
    const drift = {
      type: 'drift',
      seq: 2,
      t: 200,
      feature: 'a',
      kind: 'increase',
      meanBefore: 1,
      meanAfter: 3.5,
    } as const;
    fold.next(next(1, 3), 0);
    fold.drift({ ...drift, detector: 'adwin', action: 'reset' }, 0);
    fold.drift({ ...drift, feature: 'b', kind: 'decrease' }, 0);
    fold.snapshot(snapshot(3, { recovered: true, drifts: [{ ...drift, seq: 1 }, drift] }), 0);
    expect(fold.marks.between(0, 300, 'a')).toEqual([
      { kind: 'drift', time: 200, seq: 2, label: 'drift ↑', feature: 'a' },
    ]);
    expect(texts()).toEqual([
      'mean of a rose from 1.000 to 3.500 (adwin); its statistics began anew',
      'mean of b fell from 1.000 to 3.500',
    ]);
  });

  test('rows of one key have numbers of their own, and those of other keys are not missing', () => {
    const notices: Notice[] = [];
    const fold = new ChannelHistory({ kept: [0], keyed: true, onNotice: (notice) => notices.push(notice) });
    fold.next(next(3, 2, { seqs: [3, 9] }), 0);
    expect(fold.next(next(9, 2, { seqs: [9, 20], t: [900, 2000] }), 0)).toBe(1);
    expect([...fold.series.view(SEQ)]).toEqual([3, 9, 20]);
    expect(fold.since()).toBeUndefined();
    expect([fold.seq, fold.skipped, notices.length]).toEqual([20, 0, 0]);
  });

  test('statistics that were asked for apart hold for the rows to come', () => {
    const { fold, column } = history();
    fold.statistics(statistics(1, 1));
    fold.next(next(1), 0);
    fold.statistics(statistics(5, 2));
    fold.next(next(2), 0);
    expect(column(MEAN)).toEqual([Number.NaN, 5]);
  });
});
