"""A TCP proxy that delays: `delay_proxy.py RTT_MS LISTEN:HOST:PORT…`, for the bench.

Each direction is delayed by half of the round trip, without limiting the throughput.
"""

from __future__ import annotations

import asyncio
import sys

BLOCK = 1 << 18


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Copy until the end, each block `delay` seconds later."""
    blocks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1024)
    clock = asyncio.get_running_loop().time

    async def send() -> None:
        while True:
            due, block = await blocks.get()
            await asyncio.sleep(max(0.0, due - clock()))
            if not block:
                writer.write_eof()
                return
            writer.write(block)
            await writer.drain()

    sender = asyncio.create_task(send())
    try:
        while block := await reader.read(BLOCK):
            await blocks.put((clock() + delay, block))
        await blocks.put((clock() + delay, b""))
        await sender
    except OSError:
        sender.cancel()
        writer.close()  # the other side must learn that this one is gone


async def serve(listen: int, host: str, port: int, delay: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(pump(reader, back, delay), pump(there, writer, delay))
        writer.close()
        back.close()

    server = await asyncio.start_server(connected, "0.0.0.0", listen)
    async with server:
        await server.serve_forever()


async def main() -> None:
    delay = float(sys.argv[1]) / 2000
    routes = [route.split(":") for route in sys.argv[2:]]
    await asyncio.gather(*(serve(int(a), host, int(b), delay) for a, host, b in routes))


if __name__ == "__main__":
    asyncio.run(main())
