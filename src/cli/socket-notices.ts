import type { SocketStatus } from '../websocket/socket-status.ts';
import { counted } from './counted.ts';
import type { Notices } from './notices.ts';

const MOST_REFUSALS = 20;

/** Says on standard error what a socket does, each trouble once and not at every try. */
export class SocketNotices {
  readonly #notices: Pick<Notices, 'line'>;
  /** What was said last, and what was the matter last. */
  #trouble: string;
  #latest: string;
  #wasOpen: boolean;
  refused: number;

  constructor(notices: Pick<Notices, 'line'>) {
    this.#notices = notices;
    this.#trouble = '';
    this.#latest = '';
    this.#wasOpen = false;
    this.refused = 0;
  }

  tell(event: SocketStatus): void {
    switch (event.type) {
      case 'open':
        if (this.#trouble !== '') this.#notices.line(this.#wasOpen ? 'connected again' : 'connected');
        this.#trouble = '';
        this.#wasOpen = true;
        break;
      case 'closed':
        this.#latest = event.reason || (event.code === undefined ? 'no connection' : `close code ${event.code}`);
        break;
      case 'waiting':
        if (this.#latest !== this.#trouble) this.#notices.line(`${this.#latest}; trying again`);
        this.#trouble = this.#latest;
        break;
      case 'rejected':
        this.refused += 1;
        if (this.refused <= MOST_REFUSALS)
          this.#notices.line(`the server refused rows: ${event.code} ${event.message}`);
        if (this.refused === MOST_REFUSALS + 1) this.#notices.line('more refusals are only counted');
        break;
      case 'bad-message':
        this.#notices.line(`a message was left out: ${event.message}`);
        break;
      case 'bad-sample':
        this.#notices.line(`rows were left out: ${event.message}`);
        break;
      case 'dropped':
        this.#notices.line(`${counted(event.count, 'message')} dropped`);
        break;
    }
  }
}
