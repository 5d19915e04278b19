import { type MonoTypeOperatorFunction, Observable } from 'rxjs';
import type { ConnectionEvent } from './connect.ts';
import type { LiveSocket } from './live-socket.ts';

/**
 * Holds a connection's events back while the last value of `hold` is true, and pauses its socket meanwhile, so that the
 * sender's TCP stops.
 *
 * Idea: a socket that is paused still hands out what it has read, and one in a browser cannot be paused at all. So events
 * wait here, in order, connections included. Messages of more than `maxHeldBytes` are dropped, the oldest first, and
 * `overflow` is told how many before the next event leaves. What waits leaves when `hold` is false, even if the connection
 * has failed for good meanwhile; whoever is told may hold again at any time.
 *
 * Not made of built-ins, which have no bound, and no way to pause a socket.
 */
export function holdBack(
  hold: Observable<boolean>,
  maxHeldBytes: number,
  overflow: (dropped: number) => void,
): MonoTypeOperatorFunction<ConnectionEvent> {
  return (source) =>
    new Observable((subscriber) => {
      let held = false;
      let releasing = false;
      let waiting: ConnectionEvent[] = [];
      let first = 0;
      let bytes = 0;
      let dropped = 0;
      let socket: LiveSocket | undefined;
      let paused = false;
      let end: (() => void) | undefined;

      const takeIn = (event: ConnectionEvent) => {
        waiting.push(event);
        if (event.type !== 'message') return;
        bytes += event.data.length;
        for (let i = first; bytes > maxHeldBytes && i < waiting.length - 1; i++) {
          const oldest = waiting[i];
          if (oldest.type !== 'message') continue;
          bytes -= oldest.data.length;
          dropped++;
          waiting.splice(i--, 1);
        }
      };
      const release = () => {
        // whoever is told may let go again from within
        if (releasing) return;
        releasing = true;
        while (!held && first < waiting.length && !subscriber.closed) {
          const event = waiting[first++];
          if (event.type === 'message') bytes -= event.data.length;
          if (first * 2 > waiting.length) {
            waiting = waiting.slice(first);
            first = 0;
          }
          if (dropped > 0) {
            const count = dropped;
            dropped = 0;
            overflow(count);
          }
          subscriber.next(event);
        }
        releasing = false;
        if (held || subscriber.closed) return;
        end?.();
        if (paused) {
          paused = false;
          socket?.resume();
        }
      };

      subscriber.add(
        hold.subscribe({
          next: (value) => {
            held = value;
            if (held && !paused) {
              paused = socket !== undefined;
              socket?.pause();
            }
            if (!held) release();
          },
          error: (error) => subscriber.error(error),
        }),
      );
      subscriber.add(
        source.subscribe({
          next: (event) => {
            if (event.type === 'open') {
              socket = event.socket;
              paused = held;
              if (held) socket.pause();
            }
            if (!held && first === waiting.length) subscriber.next(event);
            else takeIn(event);
          },
          error: (error) => {
            end = () => subscriber.error(error);
            release();
          },
          complete: () => {
            end = () => subscriber.complete();
            release();
          },
        }),
      );
    });
}
