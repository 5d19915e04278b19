import type uPlot from 'uplot';
import { formatDay, formatTime } from './format.ts';
import { type PixelScale, tracePath } from './line-path.ts';
import { labelsThatFit, type Mark } from './marks.ts';
import type { Palette } from './palette.ts';

/** Space for the y axis: the same in every chart, so that their time axes stand exactly below one another. */
const Y_AXIS_WIDTH = 52;
/** Half the width of a time label, in CSS pixels, less the margin of the plot. */
const HALF_LABEL = 22;
const DAY_MS = 86_400_000;

/** Both scales in canvas pixels. */
function pixelScales(u: uPlot): { x: PixelScale; y: PixelScale } {
  const { left, top, width, height } = u.bbox;
  const [xMin, xMax] = [u.scales.x.min ?? 0, u.scales.x.max ?? 1];
  const [yMin, yMax] = [u.scales.y.min ?? 0, u.scales.y.max ?? 1];
  const xFactor = width / (xMax - xMin);
  const yFactor = -height / (yMax - yMin);
  return {
    x: { factor: xFactor, offset: left - xMin * xFactor },
    y: { factor: yFactor, offset: top + height - yMin * yFactor },
  };
}

/** Most segments of one stroke. A browser without a GPU strokes one long path up to ten times slower than its parts. */
const SEGMENTS = 32;

/** Draws a column of the data as a line that is interrupted where the value is not a number. */
export function drawLine(u: uPlot, ctx: CanvasRenderingContext2D, column: number, stroke: string, width: number): void {
  const { x, y } = pixelScales(u);
  let segments = 0;
  const pen = {
    moveTo: (px: number, py: number) => ctx.moveTo(px, py),
    lineTo: (px: number, py: number) => {
      ctx.lineTo(px, py);
      if (++segments % SEGMENTS > 0) return;
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(px, py);
    },
  };
  ctx.strokeStyle = stroke;
  ctx.lineWidth = width * devicePixelRatio;
  ctx.lineJoin = 'bevel';
  ctx.lineCap = 'round';
  // Only what is seen, and one point further on both sides for the strokes that leave the picture.
  const [first, last] = u.series[0].idxs ?? [0, u.data[0].length - 1];
  const end = Math.min(u.data[0].length - 1, last + 1);
  ctx.beginPath();
  tracePath(pen, u.data[0] as Float64Array, u.data[column] as Float64Array, Math.max(0, first - 1), end, x, y);
  ctx.stroke();
}

/** Runs `draw` clipped to the plotting area. */
export function withinPlot(u: uPlot, draw: (ctx: CanvasRenderingContext2D) => void): void {
  const { left, top, width, height } = u.bbox;
  u.ctx.save();
  u.ctx.beginPath();
  u.ctx.rect(left, top, width, height);
  u.ctx.clip();
  draw(u.ctx);
  u.ctx.restore();
}

/** Shades mean ± std, read from two columns of the data, with one corner a pixel. */
export function drawBand(u: uPlot, ctx: CanvasRenderingContext2D, mean: number, std: number, fill: string): void {
  const { x, y } = pixelScales(u);
  const [xs, means, stds] = [u.data[0], u.data[mean], u.data[std]] as Float64Array[];
  const unknown = (i: number) => Number.isNaN(means[i]) || Number.isNaN(stds[i]);
  ctx.fillStyle = fill;
  for (let i = 0; i < xs.length; i++) {
    if (unknown(i)) continue;
    const corners: number[] = [];
    let column = Number.NaN;
    for (; i < xs.length && !unknown(i); i++) {
      const px = Math.round(x.offset + xs[i] * x.factor);
      if (px === column) continue;
      column = px;
      corners.push(i);
    }
    if (corners.at(-1) !== i - 1) corners.push(i - 1);
    ctx.beginPath();
    for (const corner of corners) {
      ctx.lineTo(x.offset + xs[corner] * x.factor, y.offset + (means[corner] + stds[corner]) * y.factor);
    }
    for (const corner of corners.reverse()) {
      ctx.lineTo(x.offset + xs[corner] * x.factor, y.offset + (means[corner] - stds[corner]) * y.factor);
    }
    ctx.fill();
  }
}

/** Marks the breaks: points whose row number (column `seq`) is not a number. */
export function drawGaps(u: uPlot, ctx: CanvasRenderingContext2D, seq: number, palette: Palette): void {
  const { x } = pixelScales(u);
  const { top, height } = u.bbox;
  const [xs, seqs] = [u.data[0], u.data[seq]] as Float64Array[];
  for (let i = 0; i < xs.length; i++) {
    if (!Number.isNaN(seqs[i])) continue;
    const from = Math.round(x.offset + xs[i] * x.factor);
    const to = Math.round(x.offset + xs[Math.min(i + 1, xs.length - 1)] * x.factor);
    ctx.fillStyle = palette.gap;
    ctx.fillRect(from, top, to - from, height);
    ctx.fillStyle = palette.gapEdge;
    ctx.fillRect(from, top, 1, height);
    if (to > from) ctx.fillRect(to - 1, top, 1, height);
  }
}

/** Vertical lines where something happened; where `labelled`, each with its label at the top as far as there is room. */
export function drawMarks(
  u: uPlot,
  ctx: CanvasRenderingContext2D,
  marks: readonly Mark[],
  palette: Palette,
  labelled: boolean,
): void {
  if (marks.length === 0) return;
  const { x } = pixelScales(u);
  const { left, top, width, height } = u.bbox;
  const ratio = devicePixelRatio;
  const positions = marks.map(({ time }) => Math.round(x.offset + time * x.factor));
  const colour = ({ kind }: Mark) =>
    kind === 'drift' ? palette.drift : kind === 'epoch' ? palette.outside : palette.axis;
  ctx.lineWidth = ratio;
  for (const [i, mark] of marks.entries()) {
    ctx.strokeStyle = colour(mark);
    ctx.setLineDash(mark.kind === 'drift' ? [2 * ratio, 2 * ratio] : []);
    ctx.beginPath();
    ctx.moveTo(positions[i] + 0.5, top);
    ctx.lineTo(positions[i] + 0.5, top + height);
    ctx.stroke();
  }
  ctx.setLineDash([]);
  if (!labelled) return;
  ctx.font = palette.font.replace(/^[\d.]+px/, `${10.5 * ratio}px`);
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  const widths = marks.map(({ label }) => ctx.measureText(label).width + 9 * ratio);
  // one at the right edge stands left of its line
  const lefts = positions.map((px, i) => (px + widths[i] > left + width ? px - widths[i] : px));
  const fits = labelsThatFit(lefts, widths, left + width);
  for (const [i, mark] of marks.entries()) {
    if (!fits[i]) continue;
    ctx.fillStyle = colour(mark);
    ctx.fillRect(lefts[i], top, widths[i], 16 * ratio);
    ctx.fillStyle = palette.card;
    ctx.fillText(mark.label, lefts[i] + 4.5 * ratio, top + 8.5 * ratio);
  }
}

/** A horizontal line through the whole plot. */
export function drawLevel(
  u: uPlot,
  ctx: CanvasRenderingContext2D,
  level: number,
  stroke: string,
  dash: number[],
): void {
  const { y } = pixelScales(u);
  const py = Math.round(y.offset + level * y.factor) + 0.5;
  ctx.strokeStyle = stroke;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(u.bbox.left, py);
  ctx.lineTo(u.bbox.left + u.bbox.width, py);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** Draws the parts of a line beyond ±`limit` once more in another colour. */
export function drawOutside(
  u: uPlot,
  ctx: CanvasRenderingContext2D,
  column: number,
  limit: number,
  stroke: string,
): void {
  const [low, high] = extent(u.data[column] as Float64Array);
  if (low >= -limit && high <= limit) return;
  const { y } = pixelScales(u);
  const { left, top, width, height } = u.bbox;
  const [upper, lower] = [y.offset + limit * y.factor, y.offset - limit * y.factor];
  ctx.beginPath();
  ctx.rect(left, top, width, Math.max(0, upper - top));
  ctx.rect(left, lower, width, Math.max(0, top + height - lower));
  ctx.clip();
  drawLine(u, ctx, column, stroke, 2);
}

/** The time axis; without labels it only draws its grid. */
export function timeAxis(palette: Palette, labels: boolean): uPlot.Axis {
  return {
    stroke: palette.axis,
    font: palette.font,
    size: labels ? 28 : 8,
    gap: 6,
    space: 84,
    grid: { stroke: palette.grid, width: 1 },
    ticks: { show: false },
    values: (u, splits, _axis, _space, increment) => {
      if (!labels) return splits.map(() => '');
      const { min = 0, max = 1 } = u.scales.x as { min?: number; max?: number };
      const msPerPixel = ((max - min) * devicePixelRatio) / u.bbox.width;
      // A label that would be cut off at the right edge is left out.
      const room = max - HALF_LABEL * msPerPixel;
      const days = max - min > DAY_MS;
      return splits.map((ms) => {
        if (ms > room) return '';
        return (days ? `${formatDay(ms)} ` : '') + formatTime(ms, increment);
      });
    },
  };
}

export function valueAxis(palette: Palette, extra: uPlot.Axis = {}): uPlot.Axis {
  return {
    stroke: palette.axis,
    font: palette.font,
    size: Y_AXIS_WIDTH,
    gap: 8,
    space: 36,
    grid: { stroke: palette.grid, width: 1 },
    ticks: { show: false },
    ...extra,
  };
}

/** Lowest and highest number of the views, not a number apart. */
export function extent(...views: ArrayLike<number>[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const view of views) {
    for (let i = 0; i < view.length; i++) {
      if (view[i] < low) low = view[i];
      if (view[i] > high) high = view[i];
    }
  }
  return [low, high];
}
