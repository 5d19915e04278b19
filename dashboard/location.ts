/** What the address remembers after `#`: `#channel=sensors&key=hall&feature=humidity`. */
export interface Place {
  channel: string | undefined;
  /** Undefined for all features side by side. */
  feature: string | undefined;
  /** Of a channel with keys. */
  key?: string | undefined;
}

export function parsePlace(hash: string): Place {
  const values = new URLSearchParams(hash.replace(/^#/, ''));
  return {
    channel: values.get('channel') ?? undefined,
    feature: values.get('feature') ?? undefined,
    key: values.get('key') ?? undefined,
  };
}

export function formatPlace({ channel, key, feature }: Place): string {
  const values = new URLSearchParams();
  if (channel !== undefined) values.set('channel', channel);
  if (key !== undefined) values.set('key', key);
  if (feature !== undefined) values.set('feature', feature);
  return `#${values}`;
}
