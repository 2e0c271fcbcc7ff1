"""An open-loop client, run inside of a pod: sends at a fixed rate whatever comes back, so that no failure hides.

Every request has a connection of its own and is sent once. Ends when /tmp/stop appears and prints a line of JSON:
{sent, failed, errors: {text: count}, seconds, p50_ms, p99_ms, max_ms}. LOAD = {url, rate}.
"""

import asyncio
import json
import os
import time
from collections import Counter
from urllib.parse import SplitResult, urlsplit

LIMIT = 15.0  # seconds for an answer


async def request(url: SplitResult, seen: list[tuple[float, str]]) -> None:
    begin = time.monotonic()
    try:
        async with asyncio.timeout(LIMIT):
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            try:
                target = f"{url.path}?{url.query}"
                writer.write(f"GET {target} HTTP/1.1\r\nHost: {url.hostname}\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read()
            finally:
                writer.close()
        status = answer.split(b"\r\n", 1)[0].decode()
        body = answer.partition(b"\r\n\r\n")[2]
        error = "" if status.startswith("HTTP/1.1 200") else f"{status}: {body[:200].decode(errors='replace')}"
    except Exception as cause:
        error = f"{type(cause).__name__}: {cause}"
    seen.append((time.monotonic() - begin, error))


async def main() -> None:
    order = json.loads(os.environ["LOAD"])
    url, begin, sent = urlsplit(order["url"]), time.monotonic(), 0
    seen: list[tuple[float, str]] = []
    tasks: set[asyncio.Task[None]] = set()
    while not os.path.exists("/tmp/stop"):
        task = asyncio.create_task(request(url, seen))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        sent += 1
        await asyncio.sleep(max(0.0, begin + sent / order["rate"] - time.monotonic()))
    await asyncio.gather(*tasks)
    times = sorted(seconds for seconds, _ in seen)
    errors = Counter(error for _, error in seen if error)
    print(
        json.dumps(
            {
                "sent": sent,
                "failed": sum(errors.values()),
                "errors": dict(errors.most_common(10)),
                "seconds": round(time.monotonic() - begin),
                "p50_ms": round(1000 * times[len(times) // 2]),
                "p99_ms": round(1000 * times[len(times) * 99 // 100]),
                "max_ms": round(1000 * times[-1]),
            }
        ),
        flush=True,
    )


asyncio.run(main())
