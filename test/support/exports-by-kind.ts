import { readFileSync } from 'node:fs';
import * as index from '../../src/index.ts';

type Kind = 'class' | 'factory' | 'detector' | 'operator' | 'error' | 'constant';

const values = new Map<string, unknown>(Object.entries(index));
const source = readFileSync(new URL('../../src/index.ts', import.meta.url), 'utf8');

/** Names of the values that `src/index.ts` exports, by kind: what is new there must be added to the generic checks. */
export function exportsOfKind(kind: Kind): string[] {
  return [...values.keys()].filter((name) => kindOf(name) === kind);
}

function kindOf(name: string): Kind {
  const value = values.get(name);
  if (typeof value !== 'function') return 'constant';
  if (value.prototype instanceof Error) return 'error';
  if (isFrom('\\./core/(adwin|page-hinkley)', name)) return 'detector';
  if (/^class\b/.test(Function.prototype.toString.call(value))) return 'class';
  return isFrom('\\./operators/', name) ? 'operator' : 'factory';
}

/** Whether `src/index.ts` takes the name from a file whose path begins so. */
function isFrom(path: string, name: string): boolean {
  return new RegExp(`export \\{[^}]*\\b${name}\\b[^}]*\\} from '${path}`).test(source);
}
