import { StreamnormError } from '../errors.ts';
import { decodeFrame, type Frame, type FrameLimits, looksLikeFrame } from './frame.ts';

/** A message as it came: parsed JSON; or bytes, with the frame they hold when they are one. */
export interface ReadMessage {
  readonly message: unknown;
  readonly frame: Frame | undefined;
}

/**
 * Parses one message of a socket. Bytes that do not begin like a frame are handed on as they are.
 *
 * @throws StreamnormError `BAD_JSON`, `BAD_FRAME`, `BAD_DIM`
 */
export function readMessage(data: string | Uint8Array, maxBytes: number, limits: FrameLimits): ReadMessage {
  // A lower bound for text, which has 1 to 3 bytes a unit; `ws` counts exactly before the message gets here.
  if (data.length > maxBytes) {
    throw new StreamnormError('BAD_DIM', `the message has more than maxMessageBytes ${maxBytes} bytes: ${data.length}`);
  }
  if (typeof data !== 'string') {
    return { message: data, frame: looksLikeFrame(data) ? decodeFrame(data, limits) : undefined };
  }
  try {
    return { message: JSON.parse(data), frame: undefined };
  } catch (cause) {
    throw new StreamnormError('BAD_JSON', `the message is not JSON: ${(cause as Error).message}`, { cause });
  }
}
