/** Prometheus' text format, version 0.0.4, read by its rules: what breaks one throws. */

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Family {
  type: string;
  help: string;
  samples: Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/;
const SUFFIXES: Record<string, readonly string[]> = {
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
};

/** Families by name, in order. */
export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line must end');
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current: [string, Family] | undefined;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      if (families.has(name)) throw new Error(`a second HELP of ${name}`);
      current = [name, { type: 'untyped', help: unescaped(rest), samples: [] }];
      families.set(...current);
    } else if (keyword === 'TYPE') {
      if (current?.[0] !== name || current[1].samples.length > 0) throw new Error(`TYPE of ${name} is not before it`);
      if (!['counter', 'gauge', 'histogram', 'summary', 'untyped'].includes(rest)) throw new Error(`type ${rest}`);
      current[1].type = rest;
    } else if (!line.startsWith('#')) {
      const sample = readSample(line);
      if (current === undefined) throw new Error(`no family: ${line}`);
      const [family, { type, samples }] = current;
      const allowed = (SUFFIXES[type] ?? ['']).map((suffix) => family + suffix);
      if (!allowed.includes(sample.name)) throw new Error(`${sample.name} stands under ${family}`);
      const series = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).toSorted())}`;
      if (seen.has(series)) throw new Error(`a second ${series}`);
      seen.add(series);
      samples.push(sample);
    }
  }
  for (const [name, family] of families) if (family.type === 'histogram') checkHistogram(name, family);
  return families;
}

function readSample(line: string): Sample {
  const name = NAME.exec(line)?.[0];
  if (name === undefined) throw new Error(`no name: ${line}`);
  let rest = line.slice(name.length);
  const labels: Record<string, string> = {};
  if (rest.startsWith('{')) {
    rest = rest.slice(1);
    while (!rest.startsWith('}')) {
      const [whole, label, value] = LABEL.exec(rest) ?? [];
      if (whole === undefined || Object.hasOwn(labels, label!)) throw new Error(`a label: ${line}`);
      labels[label!] = unescaped(value!);
      rest = rest.slice(whole.length).replace(/^,/, '');
    }
    rest = rest.slice(1);
  }
  const [, text] = /^ (\S+)$/.exec(rest) ?? [];
  const value =
    text === '+Inf' ? Number.POSITIVE_INFINITY : text === 'Nan' || text === 'NaN' ? Number.NaN : Number(text);
  if (text === undefined || (Number.isNaN(value) && !/^nan$/i.test(text))) throw new Error(`no value: ${line}`);
  return { name, labels, value };
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
}

/** Buckets rise to the one of +Inf, which is the count. */
function checkHistogram(name: string, { samples }: Family): void {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const [key, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => (labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le)));
    const values = buckets.map(({ value }) => value);
    const rising = (xs: number[]) => xs.every((x, i) => i === 0 || x >= xs[i - 1]!);
    const count = group.find((sample) => sample.name === `${name}_count`)?.value;
    if (!rising(bounds) || !rising(values) || bounds.at(-1) !== Number.POSITIVE_INFINITY || values.at(-1) !== count) {
      throw new Error(`buckets of ${name}${key}`);
    }
  }
}
