"""A TCP proxy that delays: `delay_proxy.py RTT_MS[/RATE] LISTEN:HOST:PORT…`, for bench and tests.

Each direction is delayed by half of the round trip. With RATE, its throughput is limited to RATE
bytes a second.
"""

from __future__ import annotations

import asyncio
import math
import sys

BLOCK = 1 << 18


async def pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, rate: float
) -> None:
    """Copy until the end, each block `delay` seconds later."""
    # Few where they pile up: what lies here has not arrived, and the sender believes it has.
    size = 1024 if rate == math.inf else 2
    blocks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=size)
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
            await asyncio.sleep(len(block) / rate)

    async with asyncio.TaskGroup() as both:  # where one cannot write, the other must not wait
        both.create_task(send())
        while block := await reader.read(BLOCK):
            await blocks.put((clock() + delay, block))
        await blocks.put((clock() + delay, b""))


async def serve(listen: int, host: str, port: int, delay: float, rate: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(pump(reader, back, delay, rate))
                ways.create_task(pump(there, writer, delay, rate))
        except* OSError:
            pass  # one side is gone
        finally:
            writer.close()
            back.close()

    server = await asyncio.start_server(connected, "0.0.0.0", listen)
    async with server:
        await server.serve_forever()


async def main() -> None:
    round_trip, _, limit = sys.argv[1].partition("/")
    delay, rate = float(round_trip) / 2000, float(limit or "inf")
    routes = [route.split(":") for route in sys.argv[2:]]
    await asyncio.gather(*(serve(int(a), host, int(b), delay, rate) for a, host, b in routes))


if __name__ == "__main__":
    asyncio.run(main())
