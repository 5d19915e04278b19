import { Ajv } from 'ajv';
import { asyncApi } from '../../src/server/asyncapi.ts';

interface Document {
  components: { messages: Record<string, { contentType?: string; payload: object }> };
}

const ajv = new Ajv({ strict: true, allowUnionTypes: true });
const { messages } = (asyncApi('0') as Document).components;
const validators = new Map(
  Object.entries(messages)
    .filter(([, { contentType }]) => contentType === undefined)
    .map(([name, { payload }]) => [name, ajv.compile(payload)] as const),
);

/** Types of the JSON messages that the document promises: `in.accepted`, `out.next`, … */
export const PROMISED: readonly string[] = [...validators.keys()];

/** Why a message is not what /asyncapi.json promises; undefined when it is. */
export function contractFault(role: 'in' | 'out', message: { type: string }): string | undefined {
  const validate = validators.get(`${role}.${message.type}`);
  if (validate?.(message)) return undefined;
  const text = JSON.stringify(message).slice(0, 300);
  if (validate === undefined) return `describe this message in src/server/wire-messages.ts: ${text}`;
  return `${ajv.errorsText(validate.errors)}: ${text}`;
}

/** Whether a message that a producer sends is one of those described. */
export function producible(message: unknown): boolean {
  return ['in.push', 'in.samples'].some((name) => validators.get(name)!(message));
}
