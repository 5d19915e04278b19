import uPlot from 'uplot';
import { axisNumbers } from './axis-numbers.ts';
import { columnOf, MEAN, RAW, SEQ, STD, TIME, Z } from './channel-history.ts';
import {
  drawBand,
  drawGaps,
  drawLevel,
  drawLine,
  drawMarks,
  drawOutside,
  extent,
  timeAxis,
  valueAxis,
  withinPlot,
} from './chart-parts.ts';
import { decimalsFor, formatNumber, formatTime, steadyDecimals } from './format.ts';
import { Legend } from './legend.ts';
import type { Mark, Marks } from './marks.ts';
import type { Palette } from './palette.ts';
import type { Series } from './series.ts';
import { steadyRange } from './steady-range.ts';

/** |z| from which a value is out of the ordinary. */
const LIMIT = 3;
/** All charts of the page share one cursor. */
const CURSOR = 'time';
/** Steps of the z axis: every label is a multiple of 3, so the guide lines are labelled. */
const Z_STEPS = [3, 6, 15, 30, 60, 150, 300, 600, 1500, 3000, 15_000, 60_000, 300_000];

/** Data columns of a chart; the last ones are not drawn as lines. */
const RAW_DATA = { time: 0, raw: 1, mean: 2, std: 3, seq: 4 };
const Z_DATA = { time: 0, z: 1, seq: 2 };

export interface ChartsOptions {
  /** Where the two charts go. */
  host: HTMLElement;
  feature: string;
  /** Position of the feature among the kept ones of the series. */
  slot: number;
  palette: Palette;
  /** Heights of the two plots in CSS pixels. */
  heights: readonly [number, number];
  /** The reader chose a stretch of time by dragging. */
  onZoom: () => void;
  /** The reader asked for everything again (double click). */
  onReset: () => void;
  /** The values at the cursor, when a key has moved it. */
  onSay: (text: string) => void;
}

/** Two charts of one feature on one time axis: the raw values with the running statistics, and below them z. */
export class FeatureCharts {
  readonly #slot: number;
  readonly #feature: string;
  readonly #raw: uPlot;
  readonly #z: uPlot;
  readonly #rawLegend: Legend;
  readonly #zLegend: Legend;
  readonly #host: HTMLElement;
  readonly #observer: ResizeObserver;
  readonly #figures: HTMLElement[] = [];
  #rawRange: readonly [number, number] | undefined;
  #zRange: readonly [number, number] | undefined;
  #decimals: number | undefined;
  #held = false;
  #marks: readonly Mark[] = [];
  readonly #onSay: (text: string) => void;

  constructor({ host, feature, slot, palette, heights, onZoom, onReset, onSay }: ChartsOptions) {
    this.#slot = slot;
    this.#feature = feature;
    this.#onSay = onSay;
    this.#host = host;
    const cursor: uPlot.Cursor = {
      sync: { key: CURSOR, scales: ['x', null] },
      y: false,
      drag: { x: true, y: false, dist: 8 },
      points: { size: 7, width: 1.5 },
      dataIdx: (u, series, index) => (Number.isNaN((u.data[series] as Float64Array)[index]) ? null : index),
    };
    const shared = { width: Math.max(160, host.clientWidth), ms: 1 as const, legend: { show: false }, cursor };
    // uPlot sees the columns for its cursor; the lines themselves are drawn by the hooks.
    const curve = (stroke: string): uPlot.Series => ({
      stroke,
      auto: false,
      paths: () => null,
      points: { show: false },
    });
    const hooks = {
      setCursor: [() => this.readOut()],
      setSelect: [(u: uPlot) => u.select.width > 0 && onZoom()],
      setScale: [(u: uPlot, key: string) => key === 'x' && this.#zoomed(u)],
    };

    this.#rawLegend = new Legend(feature, [
      { name: 'raw', mark: 'raw' },
      { name: 'mean', mark: 'mean' },
      { name: '± std', mark: 'band' },
    ]);
    const rawFigure = this.#figure(this.#rawLegend);
    this.#raw = new uPlot(
      {
        ...shared,
        height: heights[0],
        padding: [8, 8, 0, 0],
        scales: { x: { time: true }, y: { range: () => [...(this.#rawRange ?? [-0.15, 1.15])] as [number, number] } },
        axes: [timeAxis(palette, false), valueAxis(palette, { values: (_u, splits) => axisNumbers(splits) })],
        series: [{}, curve(palette.raw), curve(palette.mean), { show: false }, { show: false }],
        hooks: {
          ...hooks,
          drawAxes: [
            (u) =>
              withinPlot(u, (ctx) => {
                drawGaps(u, ctx, RAW_DATA.seq, palette);
                drawBand(u, ctx, RAW_DATA.mean, RAW_DATA.std, palette.band);
                drawLine(u, ctx, RAW_DATA.raw, palette.raw, 1.25);
                drawLine(u, ctx, RAW_DATA.mean, palette.mean, 2);
                drawMarks(u, ctx, this.#marks, palette, true);
              }),
          ],
        },
      },
      emptyColumns(5),
      rawFigure,
    );

    this.#zLegend = new Legend('normalised', [{ name: 'z', mark: 'z' }]);
    const zFigure = this.#figure(this.#zLegend);
    this.#z = new uPlot(
      {
        ...shared,
        height: heights[1],
        padding: [8, 8, 0, 0],
        scales: { x: { time: true }, y: { range: () => [...(this.#zRange ?? [-4, 4])] as [number, number] } },
        axes: [
          timeAxis(palette, true),
          valueAxis(palette, { incrs: Z_STEPS, space: 18, values: (_u, splits) => axisNumbers(splits) }),
        ],
        series: [{}, curve(palette.z), { show: false }],
        hooks: {
          ...hooks,
          drawAxes: [
            (u) =>
              withinPlot(u, (ctx) => {
                drawGaps(u, ctx, Z_DATA.seq, palette);
                drawLevel(u, ctx, 0, palette.zero, []);
                drawLevel(u, ctx, LIMIT, palette.guide, [5, 4]);
                drawLevel(u, ctx, -LIMIT, palette.guide, [5, 4]);
                drawLine(u, ctx, Z_DATA.z, palette.z, 1.25);
                drawOutside(u, ctx, Z_DATA.z, LIMIT, palette.outside);
                drawMarks(u, ctx, this.#marks, palette, false);
              }),
          ],
        },
      },
      emptyColumns(3),
      zFigure,
    );

    for (const plot of [this.#raw, this.#z]) {
      plot.over.addEventListener('dblclick', onReset);
    }
    this.#observer = new ResizeObserver(() => this.#fit(heights));
    this.#observer.observe(host);
  }

  /** Shows the newest `count` points. */
  draw(series: Series, marks: Marks, count: number): void {
    const column = (which: number) => series.view(columnOf(this.#slot, which), count);
    const [time, seq] = [series.view(TIME, count), series.view(SEQ, count)];
    const [raw, z, mean, std] = [column(RAW), column(Z), column(MEAN), column(STD)];

    this.#held = false;
    this.#setRanges(raw, mean, std, z);
    this.#marks = marks.between(time[0], time[time.length - 1], this.#feature);
    this.#rawLegend.showMarks(this.#marks);
    this.#raw.setData([time, raw, mean, std, seq]);
    this.#z.setData([time, z, seq]);
  }

  /** Keeps what is shown, though the series goes on. */
  hold(): void {
    this.#held = true;
    for (const plot of [this.#raw, this.#z]) {
      plot.setData(plot.data.map((column) => (column as Float64Array).slice()) as uPlot.AlignedData, false);
    }
  }

  /** What the charts say, for those who do not see them. */
  describe(): void {
    const [raw, mean, std] = [RAW_DATA.raw, RAW_DATA.mean, RAW_DATA.std].map((column) => last(this.#raw, column));
    const decimals = decimalsFor(std, 2);
    const points = this.#raw.data[0].length;
    this.#figures[0].setAttribute(
      'aria-label',
      `Raw values of ${this.#feature}, ${points} points: now ${formatNumber(raw, decimals)}, running mean ` +
        `${formatNumber(mean, decimals)}, standard deviation ${formatNumber(std, decimals)}${marksText(this.#marks)}`,
    );
    this.#figures[1].setAttribute(
      'aria-label',
      `Normalised values of ${this.#feature}, ${points} points: now ${formatNumber(last(this.#z, Z_DATA.z), 2)}${marksText(this.#marks)}`,
    );
    for (const figure of this.#figures) {
      figure.dataset.points = String(points);
      figure.dataset.marks = this.#marks.map(({ label }) => label).join(', ');
    }
  }

  destroy(): void {
    this.#observer.disconnect();
    this.#raw.destroy();
    this.#z.destroy();
  }

  #figure(legend: Legend): HTMLElement {
    const figure = document.createElement('figure');
    figure.className = 'chart';
    const plot = document.createElement('div');
    plot.className = 'plot';
    plot.tabIndex = 0;
    plot.setAttribute('role', 'img');
    plot.setAttribute('aria-describedby', 'chart-keys');
    plot.addEventListener('keydown', (event) => this.#moveCursor(event));
    plot.addEventListener('blur', () => moveCursors(-10));
    this.#figures.push(plot);
    figure.append(legend.element, plot);
    this.#host.append(figure);
    return plot;
  }

  /** Arrow keys walk along the curve, Home and End go to its ends, Escape lets go. */
  #moveCursor(event: KeyboardEvent): void {
    const times = this.#raw.data[0];
    const step = event.shiftKey ? 25 : 1;
    const at = this.#raw.cursor.idx ?? times.length - 1;
    const moves: Record<string, number> = {
      ArrowLeft: at - step,
      ArrowRight: at + step,
      Home: 0,
      End: times.length - 1,
    };
    if (event.key === 'Escape') moveCursors(-10);
    else if (event.key in moves && times.length > 0) {
      const index = Math.min(times.length - 1, Math.max(0, moves[event.key]));
      moveCursors(this.#raw.valToPos(times[index], 'x'));
      const at = (plot: uPlot, column: number) => (plot.data[column] as Float64Array)[index];
      const z = formatNumber(at(this.#z, Z_DATA.z), 2);
      const raw = formatNumber(at(this.#raw, RAW_DATA.raw), this.#decimals);
      this.#onSay(`${formatTime(times[index])}: ${this.#feature} ${raw}, z ${z}`);
      event.preventDefault();
    }
  }

  /** Values under the cursor, else the newest ones. */
  readOut(): void {
    if (this.#raw === undefined || this.#z === undefined) return;
    const length = this.#raw.data[0].length;
    const index = this.#raw.cursor.idx ?? this.#z.cursor.idx;
    const at = Math.min(index ?? length - 1, length - 1);
    const pick = (plot: uPlot, column: number) => (at < 0 ? Number.NaN : (plot.data[column] as Float64Array)[at]);
    const std = pick(this.#raw, RAW_DATA.std);
    const decimals = steadyDecimals(this.#decimals, decimalsFor(std, 2));
    this.#decimals = decimals;
    this.#rawLegend.show([
      formatNumber(pick(this.#raw, RAW_DATA.raw), decimals),
      formatNumber(pick(this.#raw, RAW_DATA.mean), decimals),
      formatNumber(std, decimals),
    ]);
    const z = pick(this.#z, Z_DATA.z);
    this.#zLegend.show([formatNumber(z, 2)], Math.abs(z) > LIMIT);
    this.#rawLegend.showTime(index == null ? '' : formatTime(pick(this.#raw, RAW_DATA.time)));
  }

  #setRanges(raw: Float64Array, mean: Float64Array, std: Float64Array, z: Float64Array): void {
    const [low, high] = extent(z);
    this.#rawRange = steadyRange(this.#rawRange, ...bandExtent(raw, mean, std));
    this.#zRange = steadyRange(this.#zRange, Math.min(low, -LIMIT * 1.1), Math.max(high, LIMIT * 1.1));
  }

  /** Fits the y axes to the stretch of time that was chosen; while the charts move, `draw` does that. */
  #zoomed(u: uPlot): void {
    if (!this.#held || this.#raw === undefined || this.#z === undefined) return;
    const times = u.data[0] as Float64Array;
    const { min = 0, max = 0 } = u.scales.x as { min?: number; max?: number };
    const from = times.findIndex((time) => time >= min);
    const to = times.findLastIndex((time) => time <= max) + 1;
    const part = (plot: uPlot, column: number) => (plot.data[column] as Float64Array).slice(from, to);
    this.#setRanges(
      part(this.#raw, RAW_DATA.raw),
      part(this.#raw, RAW_DATA.mean),
      part(this.#raw, RAW_DATA.std),
      part(this.#z, Z_DATA.z),
    );
    const range = u === this.#raw ? this.#rawRange : this.#zRange;
    if (range !== undefined) u.setScale('y', { min: range[0], max: range[1] });
  }

  #fit(heights: readonly [number, number]): void {
    const width = this.#host.clientWidth;
    if (width === 0 || width === this.#raw.width) return;
    this.#raw.setSize({ width, height: heights[0] });
    this.#z.setSize({ width, height: heights[1] });
  }
}

function marksText(marks: readonly Mark[]): string {
  return marks.length === 0 ? '' : `; marked: ${marks.map(({ label }) => label).join(', ')}`;
}

/** Moves the cursor of every chart; a negative position hides it. */
function moveCursors(left: number): void {
  for (const plot of uPlot.sync(CURSOR).plots) plot.setCursor({ left, top: left < 0 ? left : 20 });
}

const emptyColumns = (count: number): uPlot.AlignedData =>
  Array.from({ length: count }, () => new Float64Array(0)) as uPlot.AlignedData;

const last = (plot: uPlot, column: number): number => (plot.data[column] as Float64Array).at(-1) ?? Number.NaN;

function bandExtent(raw: Float64Array, mean: Float64Array, std: Float64Array): [number, number] {
  let [low, high] = extent(raw, mean);
  for (let i = 0; i < mean.length; i++) {
    if (mean[i] - std[i] < low) low = mean[i] - std[i];
    if (mean[i] + std[i] > high) high = mean[i] + std[i];
  }
  return [low, high];
}
