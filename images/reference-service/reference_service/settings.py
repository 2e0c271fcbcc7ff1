"""What the environment says this process is: read once, checked once, refused with the variable's name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .credentials import Credentials

STORES = ("postgres", "qdrant", "nats")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_URL_VARIABLE = re.compile(r"([A-Z][A-Z0-9_]*)_SERVICE_URL")


class SettingsError(ValueError):
    """A variable of the environment that cannot be used; the message names it, its value and the remedy."""


@dataclass(frozen=True)
class Settings:
    """The part that this process plays. Times are seconds."""

    name: str
    port: int
    version: str = "unversioned"
    environment: str = ""
    calls: tuple[str, ...] = ()
    uses: frozenset[str] = frozenset()
    service_urls: Mapping[str, str] = field(default_factory=dict)
    pod: str = ""
    namespace: str = ""
    node: str = ""
    log_level: str = "INFO"
    postgres_host: str = "postgres"
    postgres_port: int = 5432
    postgres_database: str = "multi_agent"
    postgres_pool: int = 2
    qdrant_url: str = "http://qdrant:6333"
    nats_url: str = "nats://nats:4222"
    nats_stream: str = "platform"
    nats_stream_replicas: int = 1
    public_api_url: str = ""
    cors_origins: frozenset[str] = frozenset()
    require_jwt: bool = False
    drain_seconds: float = 5.0
    grace_seconds: float = 25.0
    run_seconds: float = 10.0
    credentials: Credentials = field(default_factory=lambda: Credentials({}))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment contract of a part. Raises SettingsError."""
        name = environment.get("SERVICE_NAME", "")
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"SERVICE_NAME is {name!r}: set it to the part to play, in lower case letters, digits and dashes"
            )
        urls = {
            match[1].lower().replace("_", "-"): value.rstrip("/")
            for key, value in environment.items()
            if (match := _URL_VARIABLE.fullmatch(key)) and value
        }
        calls = _words(environment, "SERVICE_CALLS")
        for callee in calls:
            if callee not in urls:
                variable = f"{callee.upper().replace('-', '_')}_SERVICE_URL"
                raise SettingsError(
                    f"SERVICE_CALLS names {callee!r} but {variable} is not set: give that service's URL"
                )
        uses = frozenset(_words(environment, "SERVICE_USES"))
        if unknown := sorted(uses - set(STORES)):
            raise SettingsError(f"SERVICE_USES names {', '.join(unknown)}: a part can use {', '.join(STORES)}")
        drain = _number(environment, "DRAIN_SECONDS", 5.0)
        grace = _number(environment, "GRACE_SECONDS", 25.0)
        if grace <= drain:
            raise SettingsError(f"GRACE_SECONDS is {grace:g}: it must be longer than DRAIN_SECONDS ({drain:g})")
        return cls(
            name=name,
            port=_port(environment, "PORT", 3000),
            version=environment.get("SERVICE_VERSION") or "unversioned",
            environment=environment.get("PLATFORM_ENVIRONMENT", ""),
            calls=calls,
            uses=uses,
            service_urls=urls,
            pod=environment.get("POD_NAME") or environment.get("HOSTNAME", ""),
            namespace=environment.get("POD_NAMESPACE", ""),
            node=environment.get("NODE_NAME", ""),
            log_level=_log_level(environment),
            postgres_host=environment.get("POSTGRES_HOST") or "postgres",
            postgres_port=_port(environment, "POSTGRES_PORT", 5432),
            postgres_database=environment.get("POSTGRES_DB") or "multi_agent",
            postgres_pool=int(_number(environment, "POSTGRES_POOL_SIZE", 2, least=1)),
            qdrant_url=(environment.get("QDRANT_URL") or "http://qdrant:6333").rstrip("/"),
            nats_url=environment.get("NATS_URL") or "nats://nats:4222",
            nats_stream=environment.get("NATS_STREAM") or "platform",
            nats_stream_replicas=int(_number(environment, "NATS_STREAM_REPLICAS", 1, least=1)),
            public_api_url=environment.get("NEXT_PUBLIC_API_URL", "").rstrip("/"),
            cors_origins=frozenset(origin.rstrip("/") for origin in _words(environment, "CORS_ALLOWED_ORIGINS")),
            require_jwt=_flag(environment, "REQUIRE_JWT"),
            drain_seconds=drain,
            grace_seconds=grace,
            run_seconds=_number(environment, "RUN_TIMEOUT_SECONDS", 10.0, least=0.1),
            credentials=Credentials(environment),
        )


def _words(environment: Mapping[str, str], key: str) -> tuple[str, ...]:
    words = [word.strip() for word in environment.get(key, "").split(",")]
    return tuple(dict.fromkeys(word for word in words if word))


def _number(environment: Mapping[str, str], key: str, default: float, *, least: float = 0) -> float:
    raw = environment.get(key) or str(default)
    try:
        value = float(raw)
    except ValueError:
        value = float("nan")
    if not least <= value < float("inf"):
        raise SettingsError(f"{key} is {raw!r}: give a number, {least:g} or more")
    return value


def _port(environment: Mapping[str, str], key: str, default: int) -> int:
    raw = environment.get(key) or str(default)
    if not raw.isdecimal() or not 1 <= int(raw) <= 65535:
        raise SettingsError(f"{key} is {raw!r}: give a port from 1 to 65535")
    return int(raw)


def _flag(environment: Mapping[str, str], key: str) -> bool:
    raw = environment.get(key, "").strip().lower()
    if raw not in {"", "true", "false", "1", "0", "yes", "no"}:
        raise SettingsError(f"{key} is {raw!r}: give true or false")
    return raw in {"true", "1", "yes"}


def _log_level(environment: Mapping[str, str]) -> str:
    level = (environment.get("LOG_LEVEL") or "info").upper()
    aliases = {"WARN": "WARNING", "TRACE": "DEBUG", "FATAL": "CRITICAL", "VERBOSE": "DEBUG"}
    level = aliases.get(level, level)
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise SettingsError(f"LOG_LEVEL is {level.lower()!r}: give debug, info, warning or error")
    return level
