import * as z from 'zod';
import { CHANNEL_NAME } from './config/channel.ts';
import { DEFAULT_LIMITS } from './config/limits.ts';
import { configSchema } from './config.ts';

/** A node of a JSON Schema, as far as it is looked into here. */
interface Node {
  title?: string;
  default?: unknown;
  minProperties?: number;
  propertyNames?: object;
  additionalProperties?: Node | boolean;
  properties?: Record<string, Node>;
}

/**
 * The JSON Schema of the configuration (draft 7, which editors know): what is written where, and within which bounds.
 * What depends on two values at once, such as the options of a method, only the server knows.
 */
export function configJsonSchema(): object {
  const schema = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7', unrepresentable: 'any' }) as Node;
  const { limits, channels } = schema.properties as Record<string, Node>;
  for (const [name, value] of Object.entries(DEFAULT_LIMITS)) {
    const limit = limits?.properties?.[name];
    if (limit !== undefined) limit.default = value;
  }
  channels.minProperties = 1;
  channels.propertyNames = { pattern: CHANNEL_NAME.source };
  // read only to be refused with its two meanings
  delete (channels.additionalProperties as Node).properties?.momentum;
  return { ...schema, title: 'Configuration of streamnorm serve' };
}
