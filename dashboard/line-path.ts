/** Where a line is drawn to: a Path2D, or a recorder. */
export interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
}

/** A linear scale in canvas pixels: `offset + value * factor`. */
export interface PixelScale {
  offset: number;
  factor: number;
}

/**
 * Draws points `from`…`to` as a line that is interrupted where a value is not a number (uPlot's own builders know only
 * null, which typed arrays cannot hold). Points in one pixel column become one vertical stroke through their extent,
 * so that the cost is bounded by the width and no spike is lost. A lone point becomes a dot.
 */
export function tracePath(
  pen: Pen,
  xs: ArrayLike<number>,
  ys: ArrayLike<number>,
  from: number,
  to: number,
  x: PixelScale,
  y: PixelScale,
): void {
  let down = false;
  let lone = false;
  let column = Number.NaN;
  let low = 0;
  let high = 0;
  let last = 0;

  const flush = () => {
    if (!down || Number.isNaN(column)) return;
    if (low < high) {
      pen.lineTo(column, low);
      pen.lineTo(column, high);
      pen.lineTo(column, last);
      lone = false;
    }
    column = Number.NaN;
  };

  for (let i = from; i <= to; i++) {
    const value = ys[i];
    if (Number.isNaN(value)) {
      flush();
      if (lone) pen.lineTo(Math.round(x.offset + xs[i - 1] * x.factor) + 0.1, last);
      down = lone = false;
      continue;
    }
    const px = Math.round(x.offset + xs[i] * x.factor);
    const py = y.offset + value * y.factor;
    if (down && px === column) {
      low = Math.min(low, py);
      high = Math.max(high, py);
    } else {
      flush();
      if (down) {
        pen.lineTo(px, py);
        lone = false;
      } else {
        pen.moveTo(px, py);
        down = lone = true;
      }
      column = px;
      low = high = py;
    }
    last = py;
  }
  flush();
  if (lone) pen.lineTo(Math.round(x.offset + xs[to] * x.factor) + 0.1, last);
}
