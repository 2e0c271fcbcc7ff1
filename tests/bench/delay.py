"""A TCP proxy on loopback that adds a round trip time: python -m tests.bench.delay TARGET_PORT MILLISECONDS.

Prints its port and serves until it is ended. Half of the time is added to what goes each way, and a connection's first
bytes wait for a whole round trip more, which is what TCP's handshake would take; bandwidth is not limited.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib

_CHUNK_BYTES = 1 << 16


class DelayingProxy:
    """``round_trip`` in seconds."""

    def __init__(self, target: tuple[str, int], round_trip: float) -> None:
        self._target = target
        self._round_trip = round_trip

    async def start(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self._round_trip)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        for end in (writer, far_writer):
            end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Every chunk arrives half a round trip after it came, in order; the reader never waits for the writer."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        deliver = asyncio.create_task(self._deliver(on_the_way, writer))
        clock = asyncio.get_running_loop().time
        data = b"-"
        while data:
            try:
                data = await reader.read(_CHUNK_BYTES)
            except OSError:
                data = b""
            on_the_way.put_nowait((clock() + self._round_trip / 2, data))
        await deliver

    @staticmethod
    async def _deliver(on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        with contextlib.suppress(OSError):
            while True:
                due, data = await on_the_way.get()
                await asyncio.sleep(max(0.0, due - clock()))
                if not data:
                    # Only this way is at its end; what comes the other way goes on.
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()


async def _main(target_port: int, milliseconds: float) -> None:
    server = await DelayingProxy(("127.0.0.1", target_port), milliseconds / 1000).start()
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Adds a round trip time to a TCP port of this machine.")
    parser.add_argument("target_port", type=int)
    parser.add_argument("milliseconds", type=float)
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(options.target_port, options.milliseconds))
