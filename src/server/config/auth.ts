import * as z from 'zod';
import { durationMs } from '../../core/duration.ts';
import { durationValue } from './duration-value.ts';
import { isLoopback } from './listen.ts';

/** What a token may do: push to channels, read them, see the figures of the server about them. */
export const ROLES = ['in', 'out', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Patterns of channel names by role; `*` stands for any characters. */
export type Grants = Readonly<Record<Role, readonly string[]>>;

/** Signatures by a key pair, and by a shared secret. */
const PUBLIC_KEY_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
] as const;
const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'] as const;

const pattern = z
  .string()
  .regex(/^[A-Za-z0-9._*-]{1,64}$/, 'must be the name of a channel, in which * stands for any characters');
const patterns = (help: string) => z.array(pattern).max(1_000).default([]).describe(help);

const grants = {
  in: patterns('channels it may push to'),
  out: patterns('channels it may read'),
  admin: patterns('channels whose figures in /metrics it may read'),
};

const envName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of an environment variable');
const fromEnv = z.strictObject({ env: envName.describe('environment variable that holds it') });
const fromFile = z.strictObject({ file: z.string().min(1).describe('file that holds it, and nothing else') });

// what is written in its place may be the secret itself: no message repeats it
const SECRET_RULE = 'must be { "env": … } or { "file": … }';
const TOKEN_RULE =
  'must be { "env": … }, { "file": … }, { "sha256": … } (64 hexadecimal digits) or, for trying it out, { "plain": … }';

const secret = z.union([fromEnv, fromFile], SECRET_RULE);
const token = z.union(
  [
    fromEnv,
    fromFile,
    z.strictObject({
      sha256: z
        .string()
        .regex(/^[0-9a-fA-F]{64}$/, 'must be 64 hexadecimal digits')
        .describe('SHA-256 of it, hexadecimal'),
    }),
    z.strictObject({ plain: z.string().describe('itself: only where nobody else reads the config') }),
  ],
  TOKEN_RULE,
);

/** Where a secret is. */
export type SecretSource = z.output<typeof secret> | z.output<typeof token>;

const tokenSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9._@-]{1,64}$/, 'must have 1 to 64 of A-Z a-z 0-9 . _ @ -')
    .describe('who has it, in logs and metrics'),
  token: z
    .union([token, z.array(token).min(1).max(10)], TOKEN_RULE)
    .describe('where the token is; several are valid at once, so that one can be replaced'),
  ...grants,
});

const claim = z.union(
  [z.string().min(1), z.array(z.string().min(1)).min(1)],
  'must be the name of a claim, or the names on the way to it',
);

const jwtSchema = z.strictObject({
  jwks: z.string().optional().describe('URL of the issuer’s keys (JWKS)'),
  keyFile: z.string().min(1).optional().describe('file with the public key: PEM, JWK or JWKS'),
  secret: secret.optional().describe('shared secret of HS256, HS384, HS512'),
  issuer: z.string().min(1).optional().describe('iss that a token must have'),
  audience: z.string().min(1).describe('aud that a token must have: the name of this server'),
  algorithms: z
    .array(z.enum([...PUBLIC_KEY_ALGORITHMS, ...SECRET_ALGORITHMS]))
    .min(1)
    .optional()
    .describe('signatures that are taken (default: those that fit the key)'),
  clockTolerance: durationValue('clockTolerance').default(5_000).describe('by how much clocks may differ'),
  claims: z
    .strictObject({
      name: claim.default('sub'),
      in: claim.default('streamnorm_in'),
      out: claim.default('streamnorm_out'),
      admin: claim.default('streamnorm_admin'),
    })
    .prefault({})
    .describe('claims with the name of the holder and the channels it may use: a list, or words with spaces between'),
  in: patterns('channels that every valid token may push to'),
  out: patterns('channels that every valid token may read'),
  admin: patterns('channels whose figures every valid token may read'),
});

/** Who may connect. Without it everybody may. */
export const authSchema = z.strictObject({
  tokens: z.array(tokenSchema).max(1_000).default([]).describe('tokens that are known here'),
  jwt: jwtSchema.optional().describe('tokens that somebody else signs'),
  checkEvery: durationValue('checkEvery').default(10_000).describe('time between looks at the files named here'),
});

type GivenAuth = z.output<typeof authSchema>;

export interface TokenConfig extends Grants {
  readonly name: string;
  readonly token: readonly SecretSource[];
}

export type Claim = string | readonly string[];

export interface JwtConfig extends Grants {
  readonly jwks: string | undefined;
  readonly keyFile: string | undefined;
  readonly secret: SecretSource | undefined;
  readonly issuer: string | undefined;
  readonly audience: string;
  readonly algorithms: readonly string[];
  readonly clockToleranceMs: number;
  readonly claims: Readonly<Record<Role | 'name', Claim>>;
}

export interface AuthConfig {
  readonly tokens: readonly TokenConfig[];
  readonly jwt: JwtConfig | undefined;
  readonly checkEveryMs: number;
}

/** The section, read. */
export function authConfig({ tokens, jwt, checkEvery }: GivenAuth): AuthConfig {
  return {
    tokens: tokens.map(({ token, ...rest }) => ({ ...rest, token: Array.isArray(token) ? token : [token] })),
    jwt: jwt && jwtConfig(jwt),
    checkEveryMs: Math.max(1, durationMs('the config', 'checkEvery', checkEvery)),
  };
}

function jwtConfig({ clockTolerance, algorithms, ...rest }: NonNullable<GivenAuth['jwt']>): JwtConfig {
  const { jwks, keyFile, secret, issuer } = rest;
  return {
    ...rest,
    ...{ jwks, keyFile, secret, issuer },
    algorithms: algorithms ?? (secret === undefined ? PUBLIC_KEY_ALGORITHMS : SECRET_ALGORITHMS),
    clockToleranceMs: durationMs('the config', 'clockTolerance', clockTolerance),
  };
}

/** What is wrong with the section as a whole, beside its schema; one line an error, none of which shows a secret. */
export function* authErrors(input: unknown): Generator<string> {
  const auth = fieldsOf(fieldsOf(input)?.get('auth'));
  if (auth === undefined) return;
  const tokens = auth.get('tokens');
  const listed = Array.isArray(tokens) ? tokens : [];
  if (listed.length === 0 && auth.get('jwt') === undefined) {
    yield 'auth: nobody could connect: give tokens or jwt, or leave auth out';
  }
  const names = new Set<unknown>();
  for (const [i, given] of listed.entries()) {
    const fields = fieldsOf(given);
    if (fields === undefined) continue;
    const name = fields.get('name');
    if (names.has(name)) yield `auth.tokens.${i}.name: is taken; one entry takes several tokens as a list`;
    names.add(name);
    if (ROLES.every((role) => fields.get(role) === undefined)) {
      yield `auth.tokens.${i}: may do nothing: give channels for in, out or admin`;
    }
  }
  const jwt = fieldsOf(auth.get('jwt'));
  if (jwt !== undefined) yield* jwtErrors(jwt);
}

function* jwtErrors(jwt: ReadonlyMap<string, unknown>): Generator<string> {
  const given = ['jwks', 'keyFile', 'secret'].filter((name) => jwt.get(name) !== undefined);
  if (given.length !== 1) {
    yield `auth.jwt: takes exactly one of jwks, keyFile, secret, got ${given.join(' and ') || 'none'}`;
  }
  const jwks = jwt.get('jwks');
  if (typeof jwks === 'string') yield* jwksErrors(jwks);
  if (jwks !== undefined && jwt.get('issuer') === undefined) {
    yield 'auth.jwt.issuer: is required with jwks: keys are often shared by several issuers';
  }
  const algorithms = jwt.get('algorithms');
  if (!Array.isArray(algorithms)) return;
  const fitting: readonly unknown[] = given[0] === 'secret' ? SECRET_ALGORITHMS : PUBLIC_KEY_ALGORITHMS;
  const all: readonly unknown[] = [...PUBLIC_KEY_ALGORITHMS, ...SECRET_ALGORITHMS];
  // a public key taken as a shared secret would let everybody sign
  for (const other of algorithms.filter((name) => all.includes(name) && !fitting.includes(name))) {
    yield `auth.jwt.algorithms: ${other} does not go with ${given[0] ?? 'no key'}`;
  }
}

function* jwksErrors(text: string): Generator<string> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  if (!isSafe) yield 'auth.jwt.jwks: must be an https:// URL: who can change the keys on their way can sign tokens';
  else if (url?.username || url?.password) yield 'auth.jwt.jwks: must be a URL without a password';
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : undefined;
}
