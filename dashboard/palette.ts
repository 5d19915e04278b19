/** The colours that the canvas needs, read from the style sheet so that light and dark are decided in one place. */
export interface Palette {
  axis: string;
  grid: string;
  raw: string;
  mean: string;
  band: string;
  z: string;
  zero: string;
  guide: string;
  outside: string;
  gap: string;
  gapEdge: string;
  drift: string;
  card: string;
  font: string;
}

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    axis: colour('muted'),
    grid: colour('grid'),
    raw: colour('raw'),
    mean: colour('mean'),
    band: colour('band'),
    z: colour('z'),
    zero: colour('zero'),
    guide: colour('guide'),
    outside: colour('outside'),
    gap: colour('gap'),
    gapEdge: colour('gap-edge'),
    drift: colour('drift'),
    card: colour('card'),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
  };
}

/** Calls back when the system changes between light and dark. */
export function onPaletteChange(callback: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', callback);
}
