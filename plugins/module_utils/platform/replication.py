"""How many copies the stores keep of each shard and message, derived from their replicas."""

from __future__ import annotations

from collections.abc import Mapping

from .problems import Problems
from .reader import to_integer

STREAM_REPLICAS = "NATS_STREAM_REPLICAS"
# A quorum of three survives the loss of one server; more copies make every write dearer.
_QUORUM = 3
_MOST_STREAM_REPLICAS = 5  # https://docs.nats.io/nats-concepts/jetstream/streams, num_replicas


def stream_replicas(servers: int) -> int:
    """Copies of a stream that survive the loss of a server, where there are servers enough."""
    return _QUORUM if servers >= _QUORUM else 1


def replication_factor(members: int) -> int:
    """Copies of a shard of Qdrant: two are enough to lose a member, as a shard has no quorum."""
    return min(members, 2)


def write_consistency_factor(factor: int) -> int:
    """Copies that must hold a write before it is acknowledged; writes go on when one of two or more copies is lost."""
    return (factor + 1) // 2


def check_stream_replicas(environment: Mapping[str, str], path: str, servers: int, problems: Problems) -> None:
    """Check the value that a user sets in ``environment``: no stream has more copies than there are servers."""
    value = environment.get(STREAM_REPLICAS)
    if value is None:
        return
    number, most = to_integer(value), min(servers, _MOST_STREAM_REPLICAS)
    if number is None or not 1 <= number <= most:
        problems.add(
            f"{path}.{STREAM_REPLICAS}",
            value,
            f"is not a number of copies that {servers} NATS server{'s' if servers > 1 else ''} can keep",
            f"Give a number from 1 to {most}, raise platform_stores.nats.replicas, or remove it:"
            f" {stream_replicas(servers)} follows from the replicas",
        )
