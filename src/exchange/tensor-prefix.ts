import { quoted, quotedList, refuse } from './refuse.ts';

/**
 * Which layer of a file is meant: what stands before `key` in the name of a tensor, such as `bn1.` of
 * `bn1.running_mean`.
 *
 * @param wanted a prefix, with or without its last `.` or `/`; undefined when the file has one layer
 * @throws StreamnormError STATE, with the prefixes that there are, when that is none or not one
 */
export function tensorPrefix(names: readonly string[], key: string, wanted: string | undefined): string {
  const prefixes = tensorPrefixes(names, key);
  if (wanted !== undefined) {
    const found = [wanted, `${wanted}.`, `${wanted}/`].find((prefix) => prefixes.includes(prefix));
    if (found !== undefined) return found;
  } else if (prefixes.length === 1) {
    return prefixes[0];
  }
  if (prefixes.length === 0) refuse(`the file has no tensor ${key}; it has ${quotedList(names) || 'none at all'}`);
  const there = `the file has ${key} under the ${prefixes.length === 1 ? 'prefix' : 'prefixes'} ${quotedList(prefixes)}`;
  refuse(wanted === undefined ? `${there}: prefix must say which` : `${there}, and not under ${quoted(wanted)}`);
}

/** Every prefix under which there is a tensor `key`. */
export function tensorPrefixes(names: readonly string[], key: string): string[] {
  const prefixes: string[] = [];
  for (const name of names) {
    const prefix = name.slice(0, name.length - key.length);
    if (name.endsWith(key) && /(^|[^A-Za-z0-9_])$/.test(prefix)) prefixes.push(prefix);
  }
  return prefixes;
}
