"""Structured logs: one JSON object a line on standard output, with the trace it belongs to."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from . import tracing
from .settings import Settings

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Every record as one object; what `extra` brings becomes fields of its own."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._fixed = {"part": settings.name, "version": settings.version, "pod": settings.pod}

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **self._fixed,
        }
        if span := tracing.current():
            entry |= {"trace_id": span.trace_id, "span_id": span.span_id}
        entry |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def configure(settings: Settings) -> None:
    """Send every record of the process through the JSON formatter."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(settings))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    # Libraries report each failed attempt at a dependency; the monitor reports changes of state, once.
    for name in ("psycopg", "psycopg.pool", "nats", "aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel("CRITICAL" if name != "asyncio" else "WARNING")
