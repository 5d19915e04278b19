import { Subject } from 'rxjs';
import type { SocketStatus } from './socket-status.ts';

/** Calls `status`; what it throws goes the way of all unhandled errors of RxJS and cannot break the connection. */
export function statusReporter(status: ((event: SocketStatus) => void) | undefined): (event: SocketStatus) => void {
  const events = new Subject<SocketStatus>();
  if (status !== undefined) events.subscribe(status);
  return (event) => events.next(event);
}
