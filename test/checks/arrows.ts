/**
 * Which part of `src/` may know which: a pure function from sources to complaints, read off one table.
 *
 * Imports are found by reading the text, not by a compiler: `import type` counts as much as any import, and TypeScript 7
 * has no stable interface to ask. `arrows.test.ts` checks the reading against what esbuild finds in the same files.
 */

interface Room {
  /** Rooms this one may import from, besides itself. */
  rooms: readonly string[];
  /** Packages it may import: names, scopes (`@x/`), or all that package.json declares as needed at run time. */
  packages: readonly string[] | 'declared';
  /** Whether it may import from Node itself. */
  node: boolean;
  /** Global names it must not use. */
  without: readonly string[];
}

const HOST = ['process', 'console'];
const CLOCK_AND_IO = ['Date', 'performance', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch'];

/** `errors` and `index` are the two files that lie beside the rooms. */
export const ROOMS: Readonly<Record<string, Room>> = {
  errors: { rooms: [], packages: [], node: false, without: [...HOST, ...CLOCK_AND_IO] },
  core: { rooms: ['errors'], packages: [], node: false, without: [...HOST, ...CLOCK_AND_IO] },
  operators: { rooms: ['core', 'errors'], packages: ['rxjs'], node: false, without: [...HOST, ...CLOCK_AND_IO] },
  index: { rooms: ['core', 'operators', 'errors'], packages: [], node: false, without: HOST },
  exchange: { rooms: ['core', 'errors'], packages: [], node: false, without: HOST },
  websocket: { rooms: ['errors'], packages: ['rxjs'], node: false, without: HOST },
  nats: { rooms: ['errors'], packages: ['rxjs', '@nats-io/'], node: false, without: HOST },
  server: {
    rooms: ['core', 'operators', 'exchange', 'websocket', 'nats', 'errors'],
    packages: 'declared',
    node: true,
    without: HOST,
  },
  // Statistics and operators reach the command line through `server/`, where the parts are joined.
  cli: {
    rooms: ['server', 'exchange', 'websocket', 'nats', 'core', 'errors'],
    packages: 'declared',
    node: true,
    without: [],
  },
};

/** Packages that one file alone may import: the rest of `websocket/` runs in browsers, where there is no `ws`. */
const ALSO: Readonly<Record<string, readonly string[]>> = {
  'websocket/ws-socket.ts': ['ws'],
};

/**
 * @param sources text of each file by its path below `src/`, e.g. `core/ewma.ts`
 * @param declared packages that package.json lists as `dependencies` or `peerDependencies`
 * @returns one line for each thing that is not allowed; empty when all is well
 */
export function arrowViolations(sources: Readonly<Record<string, string>>, declared: readonly string[]): string[] {
  const violations: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, source] of Object.entries(sources)) {
    const name = roomOf(file);
    const room = ROOMS[name];
    if (room === undefined) {
      violations.push(`${file}: lies in no room of the house`);
      continue;
    }
    const code = withoutComments(source);
    const targets: string[] = [];
    for (const specifier of importsOf(source)) {
      if (specifier.startsWith('.')) {
        const target = resolve(file, specifier);
        const complaint = wrongTarget(name, room, target, sources);
        if (complaint === undefined) targets.push(target);
        else violations.push(`${file}: ${complaint}`);
      } else if (specifier.startsWith('node:')) {
        if (!room.node) violations.push(`${file}: ${name} may not import ${specifier}`);
        else if (specifier === 'node:process' && room.without.includes('process'))
          violations.push(`${file}: ${name} may not use process`);
      } else if (!mayImport(room, packageOf(specifier), declared) && !ALSO[file]?.includes(packageOf(specifier))) {
        violations.push(`${file}: ${name} may not import ${specifier}`);
      }
    }
    if (/\bimport\s*\(\s*[^\s'"]/.test(code)) violations.push(`${file}: import() of a name that is not written out`);
    for (const global of room.without) {
      if (uses(code, global)) violations.push(`${file}: ${name} may not use ${global}`);
    }
    graph.set(file, targets);
  }
  return [...violations, ...cycles(graph).map((cycle) => `cycle: ${cycle.join(' > ')}`)];
}

/** Everything a file imports or re-exports, types included, as written. */
export function importsOf(source: string): string[] {
  const statement = /\b(?:import|export)\b[^'"`;()=]*?\bfrom\s*(['"])(.+?)\1|\bimport\s*\(?\s*(['"])(.+?)\3/g;
  return [...withoutComments(source).matchAll(statement)].map((match) => match[2] ?? match[4]!);
}

function roomOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.ts$/, '');
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function mayImport({ packages }: Room, name: string, declared: readonly string[]): boolean {
  if (packages === 'declared') return declared.includes(name);
  return packages.some((allowed) => (allowed.endsWith('/') ? name.startsWith(allowed) : name === allowed));
}

/** A path below `src/`; one that leaves `src/` keeps its leading `..`. */
function resolve(from: string, specifier: string): string {
  const path = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..' && path.length > 0 && path.at(-1) !== '..') path.pop();
    else if (part !== '.') path.push(part);
  }
  return path.join('/');
}

function wrongTarget(
  name: string,
  room: Room,
  target: string,
  sources: Readonly<Record<string, string>>,
): string | undefined {
  if (target.startsWith('..')) return `imports ${target}, which lies outside of src`;
  if (!(target in sources)) return `imports ${target}, which does not exist`;
  if (/(^|\/)index\.ts$/.test(target)) return `imports ${target}; an index.ts is for users of the package`;
  const other = roomOf(target);
  if (other !== name && !room.rooms.includes(other)) return `${name} may not import ${target}`;
  return undefined;
}

/**
 * Whether the name is used as a global: called, constructed or looked into. A property or a method of that name is not,
 * hence no dot before it, and no `{` after the parentheses.
 */
function uses(code: string, global: string): boolean {
  const blank = code.replace(/'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g, "''");
  return new RegExp(
    `(?:(?<![.\\w$#])|\\bglobalThis\\.)${global}\\s*(?:\\?\\.|\\.(?!\\.)|\\[|\\((?![^()]*\\)[^;\\n]*\\{))`,
  ).test(blank);
}

/** Comments hold examples, whose imports do not count; strings and regular expressions can hold what looks like one. */
function withoutComments(source: string): string {
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|(?<=[(,=:[!&|?{};+]\s*|\breturn\s+)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g;
  return source.replace(token, (text) => (text.startsWith('//') || text.startsWith('/*') ? ' ' : text));
}

/** Each cycle once, from the file at which a depth-first walk met it. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const walk = (file: string): void => {
    const start = path.indexOf(file);
    if (start >= 0) found.push([...path.slice(start), file]);
    if (start >= 0 || done.has(file)) return;
    path.push(file);
    for (const target of graph.get(file) ?? []) walk(target);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) walk(file);
  return found;
}
