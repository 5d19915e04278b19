import { type Grants, ROLES, type Role } from '../config/auth.ts';
import { channelPattern } from './channel-pattern.ts';

/** What one client may do, and until when. */
export class Access {
  /** Who it is: `token:feed`, `jwt:alice`. Undefined where everybody may do everything. */
  readonly holder: string | undefined;
  /** ms since 1970; Infinity for what does not expire. */
  readonly expiresMs: number;
  readonly #tests: ReadonlyMap<Role, readonly ((name: string) => boolean)[]>;

  constructor(holder: string | undefined, grants: Grants, expiresMs = Number.POSITIVE_INFINITY) {
    this.holder = holder;
    this.expiresMs = expiresMs;
    this.#tests = new Map(ROLES.map((role) => [role, grants[role].map(channelPattern)]));
  }

  /** True when one of the roles is granted on that channel, whether there is such a channel or not. */
  may(channel: string, ...roles: Role[]): boolean {
    return roles.some((role) => this.#tests.get(role)?.some((test) => test(channel)));
  }

  /** True when the role is granted on any channel at all. */
  has(role: Role): boolean {
    return (this.#tests.get(role)?.length ?? 0) > 0;
  }
}

/** Where there is no authentication. */
export const EVERYBODY = new Access(undefined, { in: ['*'], out: ['*'], admin: ['*'] });
