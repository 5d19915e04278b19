/** A message with one of the control types; its other fields are as they came. */
export interface ControlMessage {
  readonly type: string;
  readonly [field: string]: unknown;
}

const CONTROL_TYPES = new Set(['snapshot', 'heartbeat', 'gap', 'accepted', 'error', 'drift', 'bye']);

/** True for the messages of a streamnorm server that carry no rows. */
export function isControl(message: unknown): message is ControlMessage {
  if (typeof message !== 'object' || message === null) return false;
  const { type } = message as { type?: unknown };
  return typeof type === 'string' && CONTROL_TYPES.has(type);
}
