"""Prints the normalised rows of a channel: seq, then the values.

    /usr/bin/python3 subscriber.py 'ws://127.0.0.1:8080/out/btc?format=f64' 10

Takes JSON, f32 and f64, and ends after so many rows; needs python3-websockets.
"""
import asyncio, json, struct, sys
import websockets


async def main(url, count):
    async with websockets.connect(url) as socket:
        snapshot = json.loads(await socket.recv())
        print(snapshot["type"], snapshot["epoch"], snapshot["seq"], flush=True)
        seen = 0
        while seen < int(count):
            message = await socket.recv()
            if isinstance(message, str):
                next = json.loads(message)
                seq, rows = next["seq"], next["z"]
            else:
                magic, kind, dtype, flags, words, _, n, columns, skipped, seq, time = struct.unpack_from("<4sBBBBIIIIdd", message)
                start = 8 * words + (8 * n if flags & 2 else 0)
                values = struct.unpack_from(f"<{n * columns}{'f' if dtype == 1 else 'd'}", message, start)
                rows = [values[row * columns : (row + 1) * columns] for row in range(n)]
            for row, z in enumerate(rows):
                print(int(seq) + row, *z, flush=True)
            seen += len(rows)


asyncio.run(main(*sys.argv[1:]))
