import { isUtf8 } from 'node:buffer';

/**
 * Text of characters that stand for one byte each: UTF-8 when it is, else Latin-1. Names and keys are compared as text, rows
 * are passed on as bytes, so that no encoding is ever lost.
 */
export function textOfBytes(text: string): string {
  // nearly all names and keys are ASCII
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the bound of ASCII
  if (/^[\u0000-\u007f]*$/.test(text)) return text;
  const bytes = Buffer.from(text, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : text;
}
