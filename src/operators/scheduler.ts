import type { SchedulerLike } from 'rxjs';
import { shown } from '../core/parameter.ts';

/** @throws TypeError unless `scheduler` can tell the time and run something later */
export function requireScheduler(where: string, scheduler: unknown): void {
  const { now, schedule } = (scheduler ?? {}) as Partial<SchedulerLike>;
  if (typeof now === 'function' && typeof schedule === 'function') return;
  throw new TypeError(`${where} requires scheduler to have now and schedule, got ${shown(scheduler)}`);
}
