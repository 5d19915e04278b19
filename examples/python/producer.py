"""Sends rows of two features to a channel, as JSON or as one binary frame.

    /usr/bin/python3 producer.py ws://127.0.0.1:8080/in/btc json|f32|f64

Reads one row of numbers a line from standard input; needs python3-websockets.
"""
import asyncio, json, struct, sys
import websockets


async def main(url, form):
    rows = [[float(x) for x in line.split()] for line in sys.stdin]
    async with websockets.connect(url) as socket:
        if form == "json":
            await socket.send(json.dumps({"type": "push", "producer": "python", "seq": 1, "x": rows}))
            print(await socket.recv())
        else:
            values = [x for row in rows for x in row]
            dtype, code = (1, "f") if form == "f32" else (2, "d")
            header = struct.pack("<4sBBBBIIIIdd", b"SNM1", 1, dtype, 0, 5, 0, len(rows), len(rows[0]), 0, 0, 0)
            await socket.send(header + struct.pack(f"<{len(values)}{code}", *values))


asyncio.run(main(*sys.argv[1:]))
