import { describe, expect, test } from 'vitest';
import { announcementOf } from '../../dashboard/announcement.ts';
import { producerCells, subscriberCells } from '../../dashboard/connections-table.ts';
import { driftLabel, driftText } from '../../dashboard/drift-text.ts';
import { formatBytes } from '../../dashboard/format.ts';
import { gapText } from '../../dashboard/gap-text.ts';
import { rowTable } from '../../dashboard/row-table.ts';
import { Series } from '../../dashboard/series.ts';
import { sourceText } from '../../dashboard/source-text.ts';

test('a gap says how much is missing, and why in words', () => {
  expect(gapText(1, 'slow')).toBe('1 row missing: this page or its line was too slow');
  expect(gapText(1200, 'history', true)).toBe(
    '1,200 rows of all keys missing: they are older than what the server keeps',
  );
  expect(gapText(2, 'unheard-of')).toBe('2 rows missing');
});

test('a drift says which way, and what was done', () => {
  const drift = { type: 'drift', seq: 1, feature: 'bid', kind: 'decrease', meanBefore: 1234, meanAfter: 0.02 } as const;
  expect(driftText({ ...drift, detector: 'adwin', action: 'faster' })).toBe(
    'mean of bid fell from 1,234 to 0.02000 (adwin); its statistics forget faster now',
  );
  expect(driftText({ type: 'drift', seq: 1, feature: 'bid' })).toBe('mean of bid drifted');
  expect([driftLabel(drift), driftLabel({ type: 'drift', seq: 1, feature: 'x' })]).toEqual(['drift ↓', 'drift']);
});

describe('the source', () => {
  test('open, with its reconnects and gaps; what has not happened is left out', () => {
    const counts = { message: 1200, connected: 3, hole: 2, missed: 37 };
    expect(sourceText({ url: 'ws://f', state: 'open', counts })).toEqual({
      health: 'good',
      state: 'connected',
      figures: [
        { name: 'messages', value: '1,200' },
        { name: 'reconnects', value: '2' },
        { name: 'gaps', value: '2' },
        { name: 'missed', value: '37' },
        { name: 'unreadable', value: '0' },
      ],
    });
  });

  test('failed for good, and why', () => {
    const { health, state } = sourceText({ url: 'ws://f', state: 'failed', reason: 'HTTP 401', counts: {} });
    expect(health).toBe('bad');
    expect(state).toMatch(/^failed for good: .*reloaded \(HTTP 401\)$/);
  });
});

test('what is said aloud begins with what is out of the ordinary, and ends after four', () => {
  const features = ['a', 'b', 'c', 'd', 'e'];
  const text = announcementOf({ features, raw: [1, 2, 3, 4, 5], z: [0, 0, -4, 0, 0], stats: undefined });
  expect(text).toBe('c 3.00, z −4.0, out of the ordinary; a 1.00, z 0.0; b 2.00, z 0.0; d 4.00, z 0.0; and 1 more');
  expect(announcementOf({ features, raw: [], z: [], stats: undefined })).toBe('');
});

test('a slow subscriber and a silent producer catch the eye', () => {
  const peer = { address: '10.0.0.1', holder: 'token:charts', connectedMs: 90_000, queuedBytes: 1500 };
  const out = { ...peer, format: 'json', include: ['z'], onSlow: 'conflate', lagRows: 12, skippedRows: 3 };
  const cautions = (cells: { text: string; caution?: boolean }[]) =>
    cells.filter(({ caution }) => caution).map(({ text }) => text);
  const cells = subscriberCells({ ...out, stalenessMs: 2500 });
  expect(cells.map(({ text }) => text)).toEqual([
    ...['token:charts · 10.0.0.1', 'json z', 'conflate', '2.5 s', '12', '1.5 kB', '3', '1 min 30 s'],
  ]);
  expect(cautions(cells)).toEqual(['2.5 s', '3']);
  expect(cautions(subscriberCells({ ...out, stalenessMs: 12, skippedRows: 0 }))).toEqual([]);
  expect(cautions(producerCells({ ...peer, rows: 5, refused: 0, silentMs: 61_000 }))).toEqual(['1 min 1 s ago']);
});

test('the table of rows has the newest first, and says where there is a gap', () => {
  const series = new Series(6, 100);
  for (let row = 1; row <= 30; row++) series.push([row, row, row / 2, -row, 0, 1]);
  series.push([30, Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
  const { labels, rows } = rowTable(['a'], [0], series, () => 1);
  expect(labels).toEqual(['Row', 'Time', 'a', 'a z']);
  expect(rows.length).toBe(20);
  expect(rows[0].map(({ text }) => text)).toEqual(['gap', expect.any(String), '–', '–']);
  expect(rows[1].map(({ text }) => text)).toEqual(['30', expect.any(String), '15.00', '−30.00']);
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1500, '1.5 kB'],
  [999_949, '999.9 kB'],
  [3_000_000, '3.0 MB'],
])('formatBytes(%i)', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
