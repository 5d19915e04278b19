/** What a deployment is asked to do, and what one worker of it can, as `npm run bench 12` measures it. */
export interface Deployment {
  readonly rowsPerSecond: number;
  readonly rowsPerMessage: number;
  readonly features: number;
  /** Keys with statistics; 0 where the channel has none. */
  readonly keys: number;
  readonly partitions: number;
  readonly workers: number;
  readonly leaseMs: number;
  readonly checkpointMs: number;
  /** Of one worker: work a row, and a message beside its rows. */
  readonly nsPerRow: number;
  readonly usPerMessage: number;
  /** Bytes of a key in a checkpoint, and how fast a worker writes or reads them. */
  readonly bytesPerKey: number;
  readonly checkpointBytesPerSecond: number;
}

export interface Capacity {
  /** Part of its time that a worker works. */
  readonly load: number;
  /** The same of a worker that takes over from one that is gone: above 1 it never catches up. */
  readonly loadWithoutOne: number;
  readonly brokerBytesPerSecond: number;
  /** From the death of a worker until nothing of its partitions waits any more; Infinity: never. */
  readonly recoverySeconds: number;
}

/**
 * The capacity of a deployment, in closed form.
 *
 * A row costs `nsPerRow` and its share of a message; a checkpoint costs its bytes. A dead worker is noticed after its lease
 * and up to a round (a third) more, half of it on average. Its successors read the checkpoints, repeat what came since
 * those, half an interval on average, and then catch up with what they do not need for what still comes.
 */
export function capacityOf(deployment: Deployment): Capacity {
  const { rowsPerSecond, rowsPerMessage, features, keys, workers, partitions } = deployment;
  const { leaseMs, checkpointMs, bytesPerKey, checkpointBytesPerSecond } = deployment;
  const secondsPerRow = costOf(deployment);
  const stateBytes = keys * bytesPerKey;
  const saving = stateBytes / (checkpointMs / 1_000) / checkpointBytesPerSecond;
  const load = (rowsPerSecond * secondsPerRow + saving) / workers;
  // partitions go to survivors whole: where there are fewer than survivors, the others do not help
  const lost = Math.ceil(partitions / workers);
  const helpers = Math.min(workers - 1, lost);
  const partitionWork = (rowsPerSecond * secondsPerRow + saving) / partitions;
  const loadWithoutOne = load + (lost / helpers) * partitionWork;
  const reading = (stateBytes * lost) / partitions / checkpointBytesPerSecond / helpers;
  const unowned = (leaseMs * (1 + 1 / 6)) / 1_000 + reading;
  const repeated = checkpointMs / 2_000;
  // in seconds of work of the helpers: what has piled up, and what is left of them for it
  const behind = (lost / partitions) * rowsPerSecond * secondsPerRow * (unowned + repeated);
  const spare = helpers * (1 - loadWithoutOne);
  return {
    load,
    loadWithoutOne,
    brokerBytesPerSecond:
      rowsPerSecond * (8 * (features + 1) + 16 * features + 10) +
      (rowsPerSecond / rowsPerMessage) * 400 +
      stateBytes / (checkpointMs / 1_000),
    recoverySeconds: spare > 0 ? unowned + behind / spare : Number.POSITIVE_INFINITY,
  };
}

/** Seconds of one worker. */
export function costOf({ nsPerRow, usPerMessage, rowsPerMessage }: Deployment): number {
  return nsPerRow / 1e9 + usPerMessage / 1e6 / rowsPerMessage;
}
