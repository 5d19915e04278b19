import { fieldAt } from './field-path.ts';

type Scalar = string | number | boolean | null;

/**
 * What a message must have at each of the paths: a value, one of several, or anything (`{ exists: true }`) or nothing
 * (`{ exists: false }`) at all.
 */
export type MessageCondition = Readonly<
  Record<string, Scalar | readonly Scalar[] | { readonly exists: boolean } | undefined>
>;

/**
 * True for messages that fulfil all of a condition, or all of one condition of a list.
 *
 * @throws TypeError naming function, rule and value
 * @example matches('doc', 'ignore', { type: ['ack', 'heartbeat'] })({ type: 'ack', id: 1 }) // true
 * @example matches('doc', 'ignore', [{ event: 'pong' }, { result: { exists: true } }])({ result: null }) // true
 */
export function matches(
  where: string,
  name: string,
  condition: MessageCondition | readonly MessageCondition[],
): (message: unknown) => boolean {
  const tests = (Array.isArray(condition) ? condition : [condition]).map((one) => testOf(where, name, one));
  if (tests.length === 0) throw new TypeError(`${where} requires ${name} to have at least one condition, got []`);
  return (message) => tests.some((test) => test(message));
}

function testOf(where: string, name: string, condition: unknown): (message: unknown) => boolean {
  if (typeof condition !== 'object' || condition === null || Array.isArray(condition)) {
    throw new TypeError(`${where} requires ${name} to be values by path, such as { type: 'trade' }, got ${condition}`);
  }
  const parts = Object.entries(condition)
    .filter(([, value]) => value !== undefined)
    .map(([path, value]) => partOf(where, name, path, value));
  if (parts.length === 0) throw new TypeError(`${where} requires ${name} to name at least one path, got {}`);
  return (message) => parts.every((part) => part(message));
}

function partOf(where: string, name: string, path: string, wanted: unknown): (message: unknown) => boolean {
  const read = fieldAt(where, `${name} by path`, path);
  if (isScalar(wanted)) return (message) => read(message) === wanted;
  if (Array.isArray(wanted) && wanted.every(isScalar)) {
    const values = new Set<unknown>(wanted);
    return (message) => values.has(read(message));
  }
  const { exists, ...rest } = wanted as { exists?: unknown };
  if (typeof exists !== 'boolean' || Object.keys(rest).length > 0) {
    throw new TypeError(`${where} requires ${name} at ${path} to be a value, a list of values or { exists: true }`);
  }
  return (message) => (read(message) !== undefined) === exists;
}

function isScalar(value: unknown): value is Scalar {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}
