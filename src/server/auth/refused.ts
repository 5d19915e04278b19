/** Why a request is not served: an answer of HTTP. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;
  readonly retryAfterS: number | undefined;

  constructor(status: number, message: string, retryAfterS?: number) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }

  /** As a close code, for those who cannot see the answer; undefined where there is none. */
  get closeCode(): number | undefined {
    return this.status === 401 || this.status === 403 ? 4_000 + this.status : undefined;
  }

  /** Headers that belong to it. */
  get headers(): Record<string, string> {
    return {
      ...(this.retryAfterS !== undefined && { 'retry-after': String(this.retryAfterS) }),
      ...(this.status === 401 && { 'www-authenticate': 'Bearer' }),
    };
  }
}
