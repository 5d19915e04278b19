/** The reference of `pipe`: each line read, split at commas and joined again. `gathered` writes 64 KiB at once. */
import { createInterface } from 'node:readline';

const most = process.argv[2] === 'gathered' ? 65_536 : 1;
let text = '';
for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
  text += `${line.split(',').join(',')}\n`;
  if (text.length < most) continue;
  if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
  text = '';
}
process.stdout.write(text);
