/** The browser entry: the WebSocket of the platform. The same names as the Node entry. */
import { browserTransport } from './browser-socket.ts';
import { sinkOver, type ToWebSocket } from './sink.ts';
import { type FromWebSocket, sourceOver } from './source.ts';

export type { ConnectionClosed } from './connection-closed.ts';
export type { ControlMessage } from './control-message.ts';
export type { FieldPath } from './field-path.ts';
export { decodeFrame, encodeFrame, type Frame, type FrameFlags, type FrameInput, type FrameLimits } from './frame.ts';
export type { Hole, HoleReason } from './hole.ts';
export type { MessageCondition } from './message-match.ts';
export { type SamplesByOptions, samplesBy, type TimeUnit } from './samples-by.ts';
export { type Sample, samplesOf } from './samples-of.ts';
export type { SequenceOptions } from './sequence-options.ts';
export type { ToWebSocket, ToWebSocketOptions } from './sink.ts';
export type { Fresh, HeartbeatOptions, OpeningMessage, SocketOptions } from './socket-options.ts';
export type { SequenceEvent, SocketStatus } from './socket-status.ts';
export type { FromWebSocket, FromWebSocketOptions } from './source.ts';
export type { SampleFormat } from './write-sample.ts';

/** Emits the samples of every message of a WebSocket and reconnects for ever; see `FromWebSocket`. */
export const fromWebSocket: FromWebSocket = sourceOver(browserTransport);

/** Writes every sample to a WebSocket, emits it once written, and reconnects for ever; see `ToWebSocket`. */
export const toWebSocket: ToWebSocket = sinkOver(browserTransport);
