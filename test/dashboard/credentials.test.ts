import { describe, expect, test } from 'vitest';
import { Credentials, type TokenStorage } from '../../dashboard/credentials.ts';
import { outputUrl } from '../../dashboard/server.ts';

function storage(): TokenStorage & { values: Map<string, string> } {
  const values = new Map<string, string>();
  return {
    values,
    getItem: (name) => values.get(name) ?? null,
    setItem: (name, value) => void values.set(name, value),
    removeItem: (name) => void values.delete(name),
  };
}

describe('Credentials', () => {
  test('the token is sent as a header, and to sockets as a subprotocol in base64url', () => {
    const credentials = new Credentials(undefined);
    expect([credentials.headers(), credentials.protocols()]).toEqual([{}, ['streamnorm.v1']]);
    expect(credentials.set(' Bearer ~~?>tokéo'.replace('é', 'e'))).toBeUndefined();
    expect(credentials.headers()).toEqual({ authorization: 'Bearer ~~?>tokeo' });
    const [, bearer] = credentials.protocols();
    expect(bearer).toMatch(/^streamnorm\.bearer\.[\w-]+$/);
    expect(Buffer.from(bearer.slice('streamnorm.bearer.'.length), 'base64url').toString()).toBe('~~?>tokeo');
  });

  test('it outlives a reload in the storage of the tab, until it is forgotten', () => {
    const tab = storage();
    new Credentials(tab).set('secret');
    const again = new Credentials(tab);
    expect(again.headers()).toEqual({ authorization: 'Bearer secret' });
    again.forget();
    expect([again.isKnown, tab.values.size]).toEqual([false, 0]);
  });

  test('what cannot be a token is refused in words, and the one before stays', () => {
    const credentials = new Credentials(undefined);
    credentials.set('good');
    expect(credentials.set('')).toBe('Enter a token.');
    expect(credentials.set('two words')).toContain('one word');
    expect(credentials.headers()).toEqual({ authorization: 'Bearer good' });
  });

  test('a storage that is full does not matter', () => {
    const full = {
      ...storage(),
      setItem: () => {
        throw new Error('quota');
      },
    };
    const credentials = new Credentials(full);
    expect(credentials.set('secret')).toBeUndefined();
    expect(credentials.isKnown).toBe(true);
  });
});

describe('outputUrl', () => {
  test('lies beside the page, also behind a prefix and TLS, and never holds a token', () => {
    const address = { channel: 'a b', since: 'e.7', key: undefined };
    expect(outputUrl(address, 'https://host/norm/#x')).toBe(
      'wss://host/norm/out/a%20b?include=z%2Craw%2Cstats&since=e.7',
    );
  });

  test('rows of one key come without statistics, which the server refuses there', () => {
    const url = new URL(outputUrl({ channel: 'c', since: undefined, key: 'k&1' }, 'http://host/'));
    expect([...url.searchParams]).toEqual([
      ['include', 'z,raw'],
      ['key', 'k&1'],
    ]);
  });
});
