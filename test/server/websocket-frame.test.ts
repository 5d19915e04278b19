import type { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import * as ws from 'ws';
import { websocketFrame } from '../../src/server/websocket-frame.ts';

/** The reading half of ws, which its types leave out. */
const { Receiver } = ws as unknown as { Receiver: new (options: object) => Writable };

/** What a client of ws makes of these bytes. */
function received(...frames: Buffer[]): { data: Buffer; isBinary: boolean }[] {
  const messages: { data: Buffer; isBinary: boolean }[] = [];
  const receiver = new Receiver({ isServer: false, binaryType: 'nodebuffer' });
  receiver.on('message', (data: Buffer, isBinary: boolean) => messages.push({ data, isBinary }));
  receiver.on('error', (error: Error) => expect.unreachable(error.message));
  receiver.write(Buffer.concat(frames));
  return messages;
}

test.each([0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000])('a frame of %i bytes is read as one message', (length) => {
  const payload = Buffer.from(Array.from({ length }, (_, i) => 32 + (i % 90)));
  for (const isBinary of [false, true]) {
    const frame = websocketFrame(payload, isBinary);
    expect(received(frame)).toEqual([{ data: payload, isBinary }]);
  }
});

test('frames in a row keep their order and kind', () => {
  const texts = ['{"seq":1}', 'é'.repeat(100), ''];
  const frames = texts.flatMap((text) => [
    websocketFrame(Buffer.from(text), false),
    websocketFrame(Buffer.from(text), true),
  ]);
  expect(received(...frames).map(({ data, isBinary }) => [String(data), isBinary])).toEqual(
    texts.flatMap((text) => [
      [text, false],
      [text, true],
    ]),
  );
});
