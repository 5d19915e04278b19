import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClientAddress, rangeFault } from '../../src/server/client-address.ts';

/** Only what is read of a request. */
function address(trusted: string[], remoteAddress: string | undefined, forwarded?: string): string {
  const request = { socket: { remoteAddress }, headers: { 'x-forwarded-for': forwarded } };
  return new ClientAddress(trusted).of(request as unknown as IncomingMessage);
}

describe('without trusted proxies', () => {
  test.each([
    ['1.2.3.4', '1.2.3.4'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    [undefined, ''],
  ])('%s is %s, whatever the header says', (remote, expected) => {
    expect(address([], remote)).toBe(expected);
    expect(address([], remote, '9.9.9.9')).toBe(expected);
  });
});

describe('behind trusted proxies', () => {
  const trusted = ['10.0.0.0/8', '127.0.0.1', '2001:db8:ffff::/48'];

  test.each([
    ['the last that is no proxy', '10.1.1.1', '6.6.6.6, 1.2.3.4, 10.2.2.2', '1.2.3.4'],
    ['not what a client wrote before', '127.0.0.1', '127.0.0.1, 6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['the peer itself where it is no proxy', '8.8.8.8', '1.2.3.4', '8.8.8.8'],
    ['the proxy where it says nothing', '10.1.1.1', undefined, '10.1.1.1'],
    ['the first proxy where all are', '10.1.1.1', '10.3.3.3,10.2.2.2', '10.3.3.3'],
    ['an address with a port', '10.1.1.1', '1.2.3.4:5678', '1.2.3.4'],
    ['an IPv6 address', '10.1.1.1', '[2001:db8:1:2::9]:443', '2001:db8:1:2::/64'],
    ['by way of an IPv6 proxy', '2001:db8:ffff::1', '1.2.3.4', '1.2.3.4'],
    ['the last that can be read', '10.1.1.1', '1.2.3.4, unknown, 10.2.2.2', '10.2.2.2'],
    ['the proxy where the header is nonsense', '::ffff:10.1.1.1', 'nonsense', '10.1.1.1'],
  ])('it is %s', (_, remote, forwarded, expected) => {
    expect(address(trusted, remote, forwarded)).toBe(expected);
  });

  test('a header of any text gives an address and no exception', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.ipV4(),
          fc.ipV6(),
          fc.array(fc.ipV6()).map((all) => all.join()),
        ),
        (text) => {
          expect(address(trusted, '10.1.1.1', text)).toMatch(/^[\d.]+$|^[0-9a-f:]+::\/64$/);
        },
      ),
    );
  });
});

test('two addresses of a /64 are one, and of two /64 two', () => {
  const hex = fc.integer({ min: 0, max: 0xffff }).map((n) => n.toString(16));
  const half = fc.array(hex, { minLength: 4, maxLength: 4 }).map((parts) => parts.join(':'));
  fc.assert(
    fc.property(half, half, half, half, (net, other, one, two) => {
      // the plain form of an address is left to Node
      const plain = (text: string) => new URL(`http://[${text}]`).hostname.slice(1, -1);
      const of = (text: string) => address([], plain(text));
      expect(of(`${net}:${one}`)).toBe(of(`${net}:${two}`));
      if (net !== other) expect(of(`${net}:${one}`)).not.toBe(of(`${other}:${one}`));
    }),
  );
});

test.each(['10.0.0.0/8', '1.2.3.4', '::1', '2001:db8::/32', '0.0.0.0/0'])('%s is a range', (text) => {
  expect(rangeFault(text)).toBeUndefined();
});

test.each(['', 'example.com', '10.0.0.0/33', '::/129', '1.2.3.4/x', '1.2.3.4/8/8', '10.0.0/8'])(
  '%j is none',
  (text) => {
    expect(rangeFault(text)).toContain('must be an address or a range');
  },
);
