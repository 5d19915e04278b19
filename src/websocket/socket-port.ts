/** What this room needs of a WebSocket, whoever implements it: `ws` in Node, the global one in browsers. */
export interface SocketPort {
  readonly isOpen: boolean;
  /** Bytes handed over and not yet given to the network. */
  readonly bufferedAmount: number;
  send(data: string | Uint8Array): void;
  /** Closing handshake with code 1000; the connection is cut when the peer has not answered after `waitMs`. */
  close(waitMs: number): void;
  /** Cuts the connection. */
  terminate(): void;
  /** Reads no more until `resume`; what has been read comes all the same, and everything where the platform cannot. */
  pause(): void;
  resume(): void;
}

/** What a socket tells. `closed` comes exactly once and last, also when the socket never opened. */
export interface SocketListener {
  opened(protocol: string): void;
  received(data: string | Uint8Array): void;
  /** `bufferedAmount` became smaller. */
  drained(): void;
  closed(end: SocketEnd): void;
}

/** How a connection ended. */
export interface SocketEnd {
  readonly reason: string;
  /** Close code, when there was a closing handshake; 1006 when the connection was cut. */
  readonly code?: number | undefined;
  /** HTTP status, when the server refused the upgrade (Node only: browsers hide it). */
  readonly status?: number | undefined;
  /** The header `Retry-After` that came with `status`. */
  readonly retryAfter?: string | undefined;
  readonly cause?: unknown;
}

/** What to connect to. */
export interface SocketRequest {
  readonly url: string;
  readonly protocols: string[];
  readonly headers: Readonly<Record<string, string>>;
  /** Certificates to believe, as PEM; undefined for the usual ones. */
  readonly ca?: string | Uint8Array | undefined;
  readonly maxMessageBytes: number;
}

/** One way to make sockets. */
export interface Transport {
  /** Browsers let no page set headers. */
  readonly takesHeaders: boolean;
  /** May throw when the request is impossible. */
  openSocket(request: SocketRequest, listener: SocketListener): SocketPort;
}
