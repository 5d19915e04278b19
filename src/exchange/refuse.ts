import { StreamnormError } from '../errors.ts';

/** Content that cannot be used: always this one error. */
export function refuse(message: string, cause?: unknown): never {
  throw new StreamnormError('STATE', message, { cause });
}

const LONGEST = 80;
const MOST = 10;

/** A name out of a file as a message shows it: cut, and without characters that steer a terminal. */
export function quoted(name: string): string {
  const cut = name.length > LONGEST ? `${name.slice(0, LONGEST)}…` : name;
  return JSON.stringify(cut).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The first ten names, and how many more there are. */
export function quotedList(names: readonly string[]): string {
  const more = names.length > MOST ? ` and ${names.length - MOST} more` : '';
  return names.slice(0, MOST).map(quoted).join(', ') + more;
}
