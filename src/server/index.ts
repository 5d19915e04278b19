export { ERROR_CODES, type ErrorCode, StreamnormError } from '../errors.ts';
export type { ChannelHandle, OutgoingRow } from './channel-handle.ts';
export { DEFAULT_LIMITS, type Limits } from './config/limits.ts';
export type { ServerConfigInput } from './config.ts';
export { createServer, type RunningServer, type ServerHooks } from './create-server.ts';
