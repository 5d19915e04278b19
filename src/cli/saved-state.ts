import { readFile } from 'node:fs/promises';
import type { StatisticState } from '../core/state.ts';
import { StreamnormError } from '../errors.ts';

const KEYED = 'streamnorm.keyed/1';

/** States by key; without keys there is one, under ''. */
export type SavedStates = ReadonlyMap<string, StatisticState>;

/**
 * Reads the states that a former run left in a file.
 *
 * @returns undefined when there is no such file
 * @throws StreamnormError NO_INPUT, or STATE when it holds something else
 */
export async function readStates(file: string, keyed: boolean): Promise<SavedStates | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StreamnormError('NO_INPUT', `${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  let saved: unknown;
  try {
    saved = JSON.parse(text);
  } catch (cause) {
    throw new StreamnormError('STATE', `${file} holds no state: ${(cause as Error).message}`, { cause });
  }
  const isKeyed = (saved as Partial<StatisticState> | null)?.format === KEYED;
  if (isKeyed !== keyed) {
    const found = isKeyed ? 'states by key, but --key was not given' : 'one state, but --key asks for states by key';
    throw new StreamnormError('STATE', `${file} holds ${found}`);
  }
  if (!keyed) return new Map([['', saved as StatisticState]]);
  const { keys } = saved as { keys?: unknown };
  const isList = Array.isArray(keys) && keys.every((entry) => Array.isArray(entry) && typeof entry[0] === 'string');
  if (!isList) throw new StreamnormError('STATE', `${file}: keys must be a list of [key, state]`);
  return new Map(keys as [string, StatisticState][]);
}

/** How the states of a run are saved: `state()` as it is, or one for each key. */
export function savedForm(states: readonly [key: string, state: StatisticState][], keyed: boolean): unknown {
  return keyed ? { format: KEYED, keys: states } : states[0][1];
}
