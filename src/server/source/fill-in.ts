/**
 * A copy of a JSON value in which every object of the one key `name`, such as `{ "$env": "TOKEN" }`, is what `put` makes
 * of its value.
 *
 * @example fillIn({ op: 'pong', id: { $copy: 'id' } }, '$copy', (path) => `at ${path}`) // { op: 'pong', id: 'at id' }
 */
export function fillIn(value: unknown, name: string, put: (argument: unknown) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((part) => fillIn(part, name, put));
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0][0] === name) return put(entries[0][1]);
  return Object.fromEntries(entries.map(([key, part]) => [key, fillIn(part, name, put)]));
}
