"""W3C trace context: read from a request, carried in a context variable, passed on over HTTP and NATS.

https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE_LIMIT = 512  # what the specification asks everyone to pass on at least


@dataclass(frozen=True)
class Span:
    """One operation of a trace: ids in lower case hexadecimal."""

    trace_id: str
    span_id: str
    flags: str = "01"
    state: str = ""

    def child(self) -> Span:
        """The same trace, a new operation."""
        return replace(self, span_id=secrets.token_hex(8))

    def headers(self) -> dict[str, str]:
        """The headers that tell a callee which operation it belongs to."""
        headers = {"traceparent": f"00-{self.trace_id}-{self.span_id}-{self.flags}"}
        if self.state:
            headers["tracestate"] = self.state
        return headers


_current: ContextVar[Span | None] = ContextVar("span", default=None)


def current() -> Span | None:
    """The span of the request being handled, if any."""
    return _current.get()


def from_headers(headers: Mapping[str, str]) -> Span:
    """A new span under the caller's, or the root of a new trace where the headers give none that is valid."""
    match = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if (
        match is None
        or match[1] == "ff"
        or (match[1] == "00" and match[5])
        or not (int(match[2], 16) and int(match[3], 16))
    ):
        return Span(trace_id=secrets.token_hex(16), span_id=secrets.token_hex(8))
    state = headers.get("tracestate", "")
    # From a later version of the format only the flags known today are passed on.
    return Span(
        match[2], secrets.token_hex(8), f"{int(match[4], 16) & 3:02x}", state if len(state) <= _STATE_LIMIT else ""
    )


def outgoing() -> dict[str, str]:
    """The headers for a call that is made on behalf of the request being handled."""
    span = _current.get()
    return span.child().headers() if span else {}


@contextmanager
def active(span: Span) -> Iterator[Span]:
    """Make `span` the current one for what runs inside."""
    token = _current.set(span)
    try:
        yield span
    finally:
        _current.reset(token)
