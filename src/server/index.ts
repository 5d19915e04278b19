export { ERROR_CODES, type ErrorCode, StreamnormError } from '../errors.ts';
export type { ChannelHandle, OutgoingRow } from './channel-handle.ts';
export { DEFAULT_LIMITS, type Limits } from './config/limits.ts';
export type { ServerConfigInput } from './config.ts';
export { createServer, type RunningServer, type ServerOptions } from './create-server.ts';
export { LOG_EVENTS, type LogEntry, type LogEvent, type LogLevel, type LogSink } from './log.ts';
