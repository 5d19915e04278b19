import * as z from 'zod';
import { DEFAULT_LIMITS } from './config/limits.ts';
import { FORMATS, INCLUDED, ON_SLOW } from './outbound-query.ts';
import { producerAnswers, producerMessages, subscriberMessages } from './wire-messages.ts';

type Schemas = Record<string, z.ZodType>;

/** The layout of a binary frame in words: JSON Schema has none for bytes. */
const FRAME = [
  "Little-endian; a header of 40 bytes: u32 magic 'SNM1', u8 kind (1 push, 2 next), u8 dtype (1 f32, 2 f64),",
  'u8 flags (1 conflated, 2 row times follow, 4 replay), u8 header length / 8 (5; longer: skip), u32 0, u32 rows,',
  'u32 columns, u32 skipped, f64 seq of row 0, f64 time of row 0 in ms since 1970;',
  'then [rows × f64 times], if flag 2 says so, and rows × columns values of dtype, row-major. A missing value is NaN.',
  'The length matches exactly.',
].join(' ');

const frame = (title: string) => ({
  title,
  contentType: 'application/octet-stream',
  payload: { type: 'string', format: 'binary', description: FRAME },
});

const CLOSE_CODES = {
  1000: 'done',
  1001: 'going away: retry with jitter',
  1002: 'the client broke the protocol',
  1003: 'the client sent what is not taken here',
  1007: 'text that is not UTF-8',
  1008: 'policy: too many errors in a minute',
  1009: 'a message above the limit',
  1011: 'a bug of the server',
  1012: 'restart: retry with jitter, after retryAfterMs of the bye',
  1013: 'too slow or overloaded: retry after 5 s',
  4400: 'the URL has a wrong parameter',
  4401: 'no or a wrong token',
  4403: 'not allowed',
  4404: 'no such channel',
  4408: 'no authentication in time',
  4410: 'epoch or format gone: retry without since',
  4429: 'too many connections: retry later',
};

/** The wire as an AsyncAPI 3 document; what is said of each message comes from the schemas that tests check traffic by. */
export function asyncApi(version: string): object {
  const taken = { ...messagesOf(producerMessages), frame: frame('Rows as a binary frame, without an answer') };
  const answers = messagesOf(producerAnswers);
  const sent = { ...messagesOf(subscriberMessages), frame: frame('Rows, with format=f32 or f64') };
  const channel = { description: 'name of the channel in the configuration' };
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'streamnorm',
      version,
      description:
        'One WebSocket is one role on one channel: rows come in at /in/<channel> and go out normalised at ' +
        '/out/<channel>. Fields that are not named are ignored. Close codes: ' +
        `${Object.entries(CLOSE_CODES)
          .map(([code, meaning]) => `${code} ${meaning}`)
          .join('; ')}.`,
    },
    defaultContentType: 'application/json',
    channels: {
      in: {
        address: '/in/{channel}',
        title: 'Producers',
        description: `Messages of at most ${DEFAULT_LIMITS.maxMessageBytes} bytes and ${DEFAULT_LIMITS.maxRowsPerMessage} rows, where the limits are not others.`,
        parameters: { channel },
        bindings: { ws: { method: 'GET', query: PRODUCER_QUERY, bindingVersion: '0.1.0' } },
        messages: componentRefs('in', { ...taken, ...answers }),
      },
      out: {
        address: '/out/{channel}',
        title: 'Subscribers',
        description: 'A snapshot, then every row from there on.',
        parameters: { channel },
        bindings: { ws: { method: 'GET', query: QUERY, bindingVersion: '0.1.0' } },
        messages: componentRefs('out', sent),
      },
    },
    operations: {
      takeRows: {
        action: 'receive',
        channel: { $ref: '#/channels/in' },
        messages: channelRefs('in', taken),
        reply: {
          channel: { $ref: '#/channels/in' },
          messages: channelRefs('in', answers),
        },
      },
      sendRows: {
        action: 'send',
        channel: { $ref: '#/channels/out' },
        messages: channelRefs('out', sent),
      },
    },
    components: {
      messages: Object.fromEntries(
        Object.entries({ in: { ...taken, ...answers }, out: sent }).flatMap(([of, messages]) =>
          Object.entries(messages).map(([name, message]) => [`${of}.${name}`, message]),
        ),
      ),
    },
  };
}

/** Parameters of the URL of a producer. */
const PRODUCER_QUERY = {
  type: 'object',
  properties: {
    key: { type: 'string', maxLength: 256, description: 'key of rows that bring none, where the channel has keys' },
  },
};

/** Parameters of the URL of a subscriber. */
const QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: {
    format: { type: 'string', enum: FORMATS, default: 'json', description: 'rows as JSON or as binary frames' },
    include: {
      type: 'string',
      default: 'z',
      description: `what of each row, separated by commas: ${INCLUDED.join(', ')}; a frame has one of z and raw`,
    },
    since: {
      type: 'string',
      pattern: '^[A-Za-z0-9]{1,32}\\.[0-9]{1,16}$',
      description: '<epoch>.<seq> of the last row it has: goes on from there, or says what is lost',
    },
    maxRate: { type: 'number', exclusiveMinimum: 0, maximum: 1000, description: 'messages a second; conflates' },
    onSlow: {
      type: 'string',
      enum: ON_SLOW,
      default: 'conflate',
      description: 'a slow reader gets the newest rows and how many were skipped, a gap, or is closed',
    },
    digits: { type: 'string', enum: ['7', '17'], default: '7', description: 'significant digits of z' },
    key: { type: 'string', description: 'only the rows of this key, where the channel has keys' },
  },
};

function messagesOf(schemas: Schemas): Record<string, object> {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      const { $schema: _, title, ...payload } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
      return [name, { name, title, payload }];
    }),
  );
}

function componentRefs(of: string, messages: object): Record<string, object> {
  return Object.fromEntries(
    Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${of}.${name}` }]),
  );
}

function channelRefs(of: string, messages: object): object[] {
  return Object.keys(messages).map((name) => ({ $ref: `#/channels/${of}/messages/${name}` }));
}
