/** What the address remembers after `#`: `#channel=sensors&feature=humidity`. */
export interface Place {
  channel: string | undefined;
  /** Undefined for all features side by side. */
  feature: string | undefined;
}

export function parsePlace(hash: string): Place {
  const values = new URLSearchParams(hash.replace(/^#/, ''));
  return { channel: values.get('channel') ?? undefined, feature: values.get('feature') ?? undefined };
}

export function formatPlace({ channel, feature }: Place): string {
  const values = new URLSearchParams();
  if (channel !== undefined) values.set('channel', channel);
  if (feature !== undefined) values.set('feature', feature);
  return `#${values}`;
}
