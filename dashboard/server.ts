import type { ChannelDetails, ChannelSummary } from './messages.ts';

/** What the page asks the server that it came from; paths are relative, so it also works behind a prefix. */
export async function listChannels(): Promise<ChannelSummary[]> {
  return (await ask<{ channels: ChannelSummary[] }>('channels')).channels;
}

export function describeChannel(name: string): Promise<ChannelDetails> {
  return ask(`channels/${encodeURIComponent(name)}`);
}

/** Address of a channel's output; `since` is `<epoch>.<seq>`. */
export function outputUrl(name: string, since: string | undefined): string {
  const url = new URL(`out/${encodeURIComponent(name)}`, document.baseURI);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  url.search = `?include=z,raw,stats${since === undefined ? '' : `&since=${encodeURIComponent(since)}`}`;
  return url.href;
}

async function ask<T>(path: string): Promise<T> {
  const response = await fetch(new URL(path, document.baseURI), { headers: { accept: 'application/json' } });
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return (await response.json()) as T;
}
