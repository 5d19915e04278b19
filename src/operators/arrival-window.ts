import type { OperatorFunction } from 'rxjs';
import { type ArrivalBatchesOptions, arrivalBatches } from './arrival-batches.ts';
import type { Batch } from './batch.ts';
import { connect } from './connect.ts';

/** Windows by count and by the time since their first sample. */
export function arrivalWindow<S>(where: string, options: ArrivalBatchesOptions<S>): OperatorFunction<S, Batch<S>> {
  return (source) =>
    connect<S, Batch<S>>(source, (subscriber) =>
      arrivalBatches(where, options, (batch) => {
        subscriber.next(batch);
        return false;
      }),
    );
}
