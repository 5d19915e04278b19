import { type Cell, fillTable } from './fill-table.ts';
import { formatAge, formatBytes, formatCount, NOTHING } from './format.ts';
import type { Connections, ProducerConnection, SubscriberConnection } from './messages.ts';

/** A subscriber that is further behind than this is marked. */
const SLOW_MS = 1000;
/** A producer that is silent for longer is marked. */
const SILENT_MS = 60_000;

const SUBSCRIBER_LABELS = [
  'Client',
  'Format',
  'If slow',
  'Staleness',
  'Rows behind',
  'Queued',
  'Skipped rows',
  'Connected',
];
const PRODUCER_LABELS = ['Client', 'Last message', 'Rows', 'Refused', 'Connected'];

/** What is shown of a subscriber: who, how, and how far behind. */
export function subscriberCells(of: SubscriberConnection): Cell[] {
  const rate = of.maxRate === undefined ? '' : `, ≤ ${formatCount(of.maxRate)} / s`;
  return [
    { text: clientOf(of) },
    { text: `${of.format} ${of.include.join(', ')}` },
    { text: `${of.onSlow}${rate}` },
    { text: ageOf(of.stalenessMs), caution: (of.stalenessMs ?? 0) > SLOW_MS },
    { text: formatCount(of.lagRows) },
    { text: formatBytes(of.queuedBytes) },
    { text: formatCount(of.skippedRows), caution: of.skippedRows > 0 },
    { text: formatAge(of.connectedMs) },
  ];
}

export function producerCells(of: ProducerConnection): Cell[] {
  return [
    { text: clientOf(of) },
    { text: of.silentMs === null ? 'none yet' : `${ageOf(of.silentMs)} ago`, caution: (of.silentMs ?? 0) > SILENT_MS },
    { text: formatCount(of.rows) },
    { text: formatCount(of.refused), caution: of.refused > 0 },
    { text: formatAge(of.connectedMs) },
  ];
}

/** Writes both tables; an empty one is hidden: how many there are stands above the curves. */
export function showConnections(
  tables: { in: HTMLTableElement; out: HTMLTableElement },
  connections: Connections,
  total: { in: number; out: number },
): void {
  const { in: producers, out: subscribers } = connections;
  const [inCaption, outCaption] = [
    `Producers: ${countOf(producers.length, total.in)}`,
    `Subscribers: ${countOf(subscribers.length, total.out)}`,
  ];
  fillTable(tables.in, PRODUCER_LABELS, producers.map(producerCells), inCaption);
  fillTable(tables.out, SUBSCRIBER_LABELS, subscribers.map(subscriberCells), outCaption);
  for (const table of [tables.in, tables.out]) table.classList.toggle('empty', table.tBodies[0].rows.length === 0);
}

const clientOf = ({ address, holder, key }: { address?: string; holder?: string; key?: string }): string => {
  const who = [holder, address].filter((part) => part !== undefined).join(' · ') || 'a client';
  return key === undefined ? who : `${who}, key ${key}`;
};

const ageOf = (ms: number | null): string =>
  ms === null ? NOTHING : ms < 1000 ? `${Math.round(ms)} ms` : formatAge(ms);

const countOf = (shown: number, total: number): string => {
  return shown < total ? `the ${formatCount(shown)} furthest behind of ${formatCount(total)}` : formatCount(total);
};
