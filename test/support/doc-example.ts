/** An `@example` of a doc comment: its lines, and where it stands. */
export interface DocExample {
  readonly file: string;
  readonly line: number;
  readonly code: string;
}

/** Statements of an example, each with what is written behind it. */
export interface CheckedStatement {
  readonly code: string;
  /** Undefined where nothing is expected. */
  readonly expected: string | undefined;
}

/** All examples in the doc comments of a source file. */
export function examplesIn(file: string, source: string): DocExample[] {
  const examples: DocExample[] = [];
  for (const comment of source.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    const firstLine = source.slice(0, comment.index).split('\n').length;
    const lines = comment[0]
      .replace(/\*\/$/, '')
      .split('\n')
      .map((line) => line.replace(/^\s*(\/\*\*|\*) ?/, ''));
    for (let i = 0; i < lines.length; i++) {
      const start = /^@example\b(.*)$/.exec(lines[i]);
      if (start === null) continue;
      const code = [start[1]];
      while (i + 1 < lines.length && !lines[i + 1].startsWith('@')) code.push(lines[++i]);
      examples.push({ file, line: firstLine + i - code.length + 1, code: code.join('\n').trim() });
    }
  }
  return examples;
}

/**
 * Cuts an example into statements. What stands behind `//` is expected of the expression before it; a comment on a line
 * of its own belongs to the expression above.
 */
export function statementsIn(code: string): CheckedStatement[] {
  const statements: CheckedStatement[] = [];
  let open = '';
  for (const line of code.split('\n')) {
    const [, text, comment] = /^(.*?)\s*(?:(?<![:'"])\/\/\s*(.*))?$/.exec(line) as unknown as [string, string, string?];
    open += `${open === '' ? '' : '\n'}${text}`;
    const above = statements.at(-1);
    if (comment !== undefined && open.trim() === '' && above !== undefined && above.expected === undefined) {
      statements[statements.length - 1] = { code: above.code.replace(/;$/, ''), expected: comment };
      open = '';
    } else if (comment !== undefined) {
      statements.push({ code: open.trim().replace(/;$/, ''), expected: comment });
      open = '';
    } else if (text.trimEnd().endsWith(';')) {
      statements.push({ code: open.trim(), expected: undefined });
      open = '';
    }
  }
  if (open.trim() !== '') statements.push({ code: open.trim(), expected: undefined });
  return statements;
}

/** What `…` stands for, by where it is written. */
type Wanted =
  | { like: RegExp }
  | { kind: string }
  | { any: true }
  | { list: Wanted[] }
  | { fields: [string, Wanted][]; open: boolean }
  | { is: unknown };

/**
 * Whether values are what an expectation says: one value, or several in a row for an Observable. `0.66…` stands for any
 * number that begins so, `'a…'` for such a text, `…` for anything or for what else an object or a list holds,
 * `a Uint8Array` for any of that class, `Error: text` for what was thrown. A remark in parentheses may follow.
 *
 * @returns undefined, or how the values look
 */
export function mismatch(expected: string, values: readonly unknown[]): string | undefined {
  const reader = new ExpectationReader(expected.replace(/(?<=\S)\s+\([^()]*\)$/, ''));
  const wanted = reader.sequence();
  const fits = wanted.length === values.length && wanted.every((want, i) => matches(want, values[i]));
  return fits ? undefined : values.map(look).join(' ');
}

function matches(want: Wanted, value: unknown): boolean {
  if ('any' in want) return true;
  if ('like' in want) return want.like.test(String(value));
  if ('kind' in want) return value?.constructor?.name === want.kind;
  if ('is' in want) return Object.is(want.is, value) || (want.is === 0 && value === 0);
  if (typeof value !== 'object' || value === null) return false;
  if ('list' in want) {
    const list = ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value;
    if (!Array.isArray(list)) return false;
    const open = 'any' in (want.list.at(-1) ?? { is: 0 });
    const items = open ? want.list.slice(0, -1) : want.list;
    return (
      (open ? list.length >= items.length : list.length === items.length) &&
      items.every((item, i) => matches(item, list[i]))
    );
  }
  if (!want.open && Object.keys(value).length !== want.fields.length) return false;
  return want.fields.every(([name, item]) => matches(item, (value as Record<string, unknown>)[name]));
}

/** Reads expectations from left to right. */
class ExpectationReader {
  readonly #text: string;
  #at: number;

  constructor(text: string) {
    this.#text = text;
    this.#at = 0;
  }

  /** Values with spaces or commas between them. */
  sequence(): Wanted[] {
    const wanted: Wanted[] = [];
    for (this.#skip(/[\s,]*/y); this.#at < this.#text.length; this.#skip(/[\s,]*/y)) wanted.push(this.#value());
    return wanted;
  }

  #value(): Wanted {
    const thrown = this.#take(/\w*Error: .*$/y) ?? this.#take(/https?:\S*/y);
    if (thrown !== undefined) return { like: pattern(thrown) };
    const kind = this.#take(/an? [A-Z]\w*/y);
    if (kind !== undefined) return { kind: kind.replace(/^an? /, '') };
    const quoted = this.#take(/'[^']*'?/y);
    if (quoted !== undefined) return { like: pattern(quoted.slice(1).replace(/'$/, '').replace(/\\n/g, '\n')) };
    const digits = this.#take(/-?\d[\d.]*…/y);
    if (digits !== undefined) return { like: pattern(digits) };
    if (this.#take(/…/y) !== undefined) return { any: true };
    if (this.#take(/(?:\w+Array )?\[/y) !== undefined) return { list: this.#items(']', () => this.#value()) };
    if (this.#take(/\{/y) !== undefined) return this.#object();
    const word = this.#take(/-?[\w.+]+/y) ?? '';
    const known: Record<string, unknown> = { NaN: Number.NaN, true: true, false: false, null: null, undefined };
    if (word in known) return { is: known[word] };
    const number = Number(word.replace(/(?<=\d)_/g, ''));
    if (word !== '' && !Number.isNaN(number)) return { is: number };
    throw new SyntaxError(
      `the expectation '${this.#text}' is no value at '${this.#text.slice(this.#at - word.length)}'`,
    );
  }

  #object(): Wanted {
    let open = false;
    const fields = this.#items('}', (): [string, Wanted][] => {
      if (this.#take(/…/y) !== undefined) {
        open = true;
        return [];
      }
      const name = this.#take(/\w+/y) ?? '';
      this.#skip(/\s*:\s*/y);
      return [[name, this.#value()]];
    });
    return { fields: fields.flat(), open };
  }

  #items<T>(end: string, read: () => T): T[] {
    const items: T[] = [];
    for (this.#skip(/[\s,]*/y); this.#text[this.#at] !== end; this.#skip(/[\s,]*/y)) items.push(read());
    this.#at++;
    return items;
  }

  #skip(what: RegExp): void {
    this.#take(what);
  }

  #take(what: RegExp): string | undefined {
    what.lastIndex = this.#at;
    const found = what.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }
}

/** A text in which `…` stands for anything. */
function pattern(text: string): RegExp {
  return new RegExp(
    `^${text
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('[\\s\\S]*')}$`,
  );
}

function look(value: unknown): string {
  if (typeof value === 'number') return String(value);
  return JSON.stringify(ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value) ?? String(value);
}
