"""An open-loop client, run inside of a pod: sends at a fixed rate whatever comes back, so that no failure hides.

Every request has a connection of its own and is sent once, or ``tries`` times where the connection is lost. Ends when
/tmp/stop appears and prints a line of JSON: {sent, failed, errors: {text: count}, in_flight: requests sent again
after their connection broke, refused: those for which none was made, sent_again: calls that parts sent again below,
asked_again: stores that parts asked again below, seconds, p50_ms, p99_ms, max_ms}. LOAD = {url, rate, tries, method}.
"""

import asyncio
import json
import os
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

LIMIT = 60.0  # seconds for an answer: slow is no failure, lost is


@dataclass
class Seen:
    """One request: how long it took, what went wrong, why it was sent again, how often calls below were."""

    seconds: float = 0.0
    error: str = ""
    in_flight: bool = False
    refused: bool = False
    below: int = 0
    stores: int = 0


async def request(url: SplitResult, method: str, tries: int, seen: list[Seen]) -> None:
    begin, one = time.monotonic(), Seen()
    seen.append(one)
    for left in reversed(range(tries)):
        try:
            async with asyncio.timeout(LIMIT):
                one.error, one.below, one.stores = await exchange(url, method)
            break
        except Exception as cause:
            one.error = f"{type(cause).__name__}: {cause}"
            if left and isinstance(cause, ConnectionRefusedError):
                one.refused = True
            elif left:
                one.in_flight = True
            await asyncio.sleep(0.2)
    one.seconds = time.monotonic() - begin


async def exchange(url: SplitResult, method: str) -> tuple[str, int, int]:
    """What is wrong with the answer, how often calls were sent and stores asked again. Raises where there is none."""
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        target = f"{url.path}?{url.query}"
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: {url.hostname}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    if not head:
        raise ConnectionResetError("closed without an answer")
    status = head.split(b"\r\n", 1)[0].decode()
    if not status.startswith("HTTP/1.1 200"):
        return f"{status}: {reason(body)}", 0, 0
    answer = json.loads(body)
    return "", answer.get("sent_again", 0), answer.get("asked_again", 0)


def reason(body: bytes) -> str:
    """Why a round trip failed, where it was one; else how the answer begins."""
    try:
        return json.dumps(json.loads(body)["errors"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")


async def main() -> None:
    order = json.loads(os.environ["LOAD"])
    url, begin, sent = urlsplit(order["url"]), time.monotonic(), 0
    seen: list[Seen] = []
    tasks: set[asyncio.Task[None]] = set()
    while not os.path.exists("/tmp/stop"):
        task = asyncio.create_task(request(url, order["method"], order["tries"], seen))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        sent += 1
        await asyncio.sleep(max(0.0, begin + sent / order["rate"] - time.monotonic()))
    await asyncio.gather(*tasks)
    times = sorted(one.seconds for one in seen)
    errors = Counter(one.error for one in seen if one.error)
    print(
        json.dumps(
            {
                "sent": sent,
                "failed": sum(errors.values()),
                "errors": dict(errors.most_common(200)),
                "in_flight": sum(one.in_flight for one in seen),
                "refused": sum(one.refused for one in seen),
                "sent_again": sum(one.below for one in seen),
                "asked_again": sum(one.stores for one in seen),
                "seconds": round(time.monotonic() - begin),
                "p50_ms": round(1000 * times[len(times) // 2]),
                "p99_ms": round(1000 * times[len(times) * 99 // 100]),
                "max_ms": round(1000 * times[-1]),
            }
        ),
        flush=True,
    )


asyncio.run(main())
