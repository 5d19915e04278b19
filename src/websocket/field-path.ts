/** Where something is in a message: names and indices with dots between, `data.bids.0.price`, or a list of them. */
export type FieldPath = string | readonly (string | number)[];

const INDEX = /^(?:0|[1-9]\d{0,8})$/;
/** Deeper is a mistake, and the path is walked for every message. */
const MAX_STEPS = 32;

/**
 * Reads what is at a path; `undefined` where a step leads nowhere. Only what a message itself has is found, never what
 * every object or array has, such as `constructor` or `length`. The empty path is the message.
 *
 * @param where the public function, for messages
 * @throws TypeError naming function, rule and value
 * @example fieldAt('doc', 'path', 'data.bids.0.price')({ data: { bids: [{ price: '1.5' }] } }) // '1.5'
 * @example fieldAt('doc', 'path', ['a.b', 0])({ 'a.b': [7] }) // 7
 */
export function fieldAt(where: string, name: string, path: FieldPath): (message: unknown) => unknown {
  const steps = stepsOf(where, name, path);
  if (steps.length === 1) {
    const [step] = steps;
    return (message) => stepInto(message, step);
  }
  return (message) => {
    let value = message;
    for (const step of steps) value = stepInto(value, step);
    return value;
  };
}

function stepsOf(where: string, name: string, path: FieldPath): readonly string[] {
  if (path === '') return [];
  const steps = typeof path === 'string' ? path.replace(/\[(\d+)\]/g, '.$1').split('.') : path;
  const ok =
    Array.isArray(steps) &&
    steps.length <= MAX_STEPS &&
    steps.every((step) => (typeof step === 'string' && step !== '') || (Number.isSafeInteger(step) && step >= 0));
  if (!ok) {
    const shown = typeof path === 'string' ? `'${path.slice(0, 80)}'` : JSON.stringify(path)?.slice(0, 80);
    throw new TypeError(
      `${where} requires ${name} to be a path such as 'data.bids.0.price', or a list of at most ${MAX_STEPS} names, got ${shown}`,
    );
  }
  return (steps as (string | number)[]).map(String);
}

function stepInto(value: unknown, step: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return INDEX.test(step) ? value[Number(step)] : undefined;
  return Object.hasOwn(value, step) ? (value as Record<string, unknown>)[step] : undefined;
}
