/** Numbers and times as text. What is not there is an en dash. */
export const NOTHING = '–';

/** Decimals that show so many significant digits of the spread, and so as much of a value as means anything. */
export function decimalsFor(std: number | null | undefined, digits = 3): number {
  if (std == null || !(std > 0)) return digits;
  return Math.min(9, Math.max(0, digits - 1 - Math.floor(Math.log10(std))));
}

/** Decimals that do not change back and forth with a spread near a power of ten. */
export function steadyDecimals(before: number | undefined, wanted: number): number {
  return before === wanted + 1 ? before : wanted;
}

export function formatNumber(value: number | null | undefined, decimals = 3): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  const size = Math.abs(value);
  if (size >= 1e9 || (size > 0 && size < 0.5 * 10 ** -decimals)) return minus(value.toExponential(3));
  return minus(
    value.toLocaleString('en', {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    }),
  );
}

export const formatCount = (value: number): string => value.toLocaleString('en');

/** 0.4, 12.3, 1,234: as many decimals as a rate deserves. */
export function formatRate(perSecond: number): string {
  if (perSecond === 0) return '0';
  return perSecond.toLocaleString('en', { maximumFractionDigits: perSecond < 100 ? 1 : 0, minimumFractionDigits: 0 });
}

/** 0.3 s, 42 s, 3 min 5 s, 2 h 10 min. */
export function formatAge(ms: number): string {
  if (ms < 0) return '0 s';
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Local time of day, 24 hours, as fine as steps of `stepMs` need it. */
export function formatTime(ms: number, stepMs = 1000): string {
  if (!Number.isFinite(ms)) return NOTHING;
  const date = new Date(ms);
  const minutes = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (stepMs >= 60_000) return minutes;
  const seconds = `${minutes}:${two(date.getSeconds())}`;
  return stepMs >= 1000
    ? seconds
    : `${seconds}.${String(date.getMilliseconds())
        .padStart(3, '0')
        .slice(0, stepMs < 100 ? 3 : 1)}`;
}

/** Local day as month-day, for axes that reach over several. */
export function formatDay(ms: number): string {
  const date = new Date(ms);
  return `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function minus(text: string): string {
  return text.replaceAll('-', '−');
}

/** 0 B, 812 B, 1.4 kB, 3.0 MB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_950) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
