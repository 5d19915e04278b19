import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Why a text is no address or range of addresses; undefined when it is one. */
export function rangeFault(text: string): string | undefined {
  const [address, bits, ...rest] = text.split('/');
  const family = isIP(address);
  const most = family === 6 ? 128 : 32;
  const isRange = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
  return family !== 0 && isRange && rest.length === 0
    ? undefined
    : "must be an address or a range such as '10.0.0.0/8'";
}

/** Finds out from which address a request comes, also behind proxies that are trusted to say so. */
export class ClientAddress {
  readonly #trusted: BlockList | undefined;

  /** @param trustedProxies addresses and ranges whose `X-Forwarded-For` is believed */
  constructor(trustedProxies: readonly string[]) {
    this.#trusted = trustedProxies.length === 0 ? undefined : new BlockList();
    for (const range of trustedProxies) {
      const [address, bits] = range.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      this.#trusted?.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family);
    }
  }

  /**
   * The address that counts for limits: the last one on the way that is no trusted proxy. Whoever connects can write
   * anything into the header, so it is read from its end, and only as far as those who wrote it are trusted.
   *
   * One customer has a whole /64 of IPv6, so these count as one.
   */
  of(request: IncomingMessage): string {
    let address = plainAddress(request.socket.remoteAddress ?? '') ?? '';
    if (this.#trusted !== undefined) {
      const header = request.headers['x-forwarded-for'];
      const hops = (Array.isArray(header) ? header.join() : (header ?? '')).split(',');
      while (hops.length > 0 && this.#isTrusted(address)) {
        const hop = plainAddress((hops.pop() as string).trim());
        if (hop === undefined) break;
        address = hop;
      }
    }
    return groupOf(address);
  }

  #isTrusted(address: string): boolean {
    return this.#trusted?.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') === true;
  }
}

/** Without port, brackets, zone and the IPv6 way of writing IPv4; undefined for what is no address. */
function plainAddress(text: string): string | undefined {
  const bare = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  const address = bare.replace(/%.*$/, '').replace(/^::ffff:(?=[\d.]+$)/i, '');
  return isIP(address) === 0 ? undefined : address;
}

function groupOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head, tail] = address.toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail ? tail.split(':') : [];
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length - (/\./.test(address) ? 1 : 0);
  const groups = [...before, ...new Array<string>(Math.max(0, zeros)).fill('0'), ...after];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
