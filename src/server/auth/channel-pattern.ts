/**
 * A test for the names that a pattern stands for; `*` is any characters, none included.
 *
 * By parts and not by a regular expression, whose time can grow with the square of the length: patterns also come in
 * tokens.
 *
 * @example channelPattern('btc-*')('btc-usd') // true
 */
export function channelPattern(pattern: string): (name: string) => boolean {
  const [first, ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return (name) => name === pattern;
  return (name) => {
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    let from = first.length;
    const end = name.length - last.length;
    for (const part of rest) {
      const at = name.indexOf(part, from);
      if (at < 0 || at + part.length > end) return false;
      from = at + part.length;
    }
    return true;
  };
}
