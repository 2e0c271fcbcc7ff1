"""Changes of a store that its volumes do not survive are refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import ApiError
from ansible_collections.multi_agent.platform.plugins.module_utils.platform import growth
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.problems import Problems


class Cluster:
    """A StatefulSet of so many servers, or none, and so many claims; ``refused``: the status of every answer."""

    def __init__(self, servers: int = 0, claims: int = 0, refused: int = 0) -> None:
        self.servers, self.claims, self.refused = servers, claims, refused

    def get(self, path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        if self.refused:
            raise ApiError(self.refused, {"message": "no"})
        if path == "/apis/apps/v1/namespaces/n/statefulsets/nats":
            if not self.servers:
                raise ApiError(404, {"message": "not found"})
            return {"spec": {"replicas": self.servers}}
        assert (path, query) == ("/api/v1/namespaces/n/persistentvolumeclaims", {"labelSelector": "app=nats"})
        return {"items": [{"metadata": {"name": f"data-nats-{number}"}} for number in range(self.claims)]}


def _problems(cluster: Cluster, replicas: int) -> str:
    problems = Problems()
    growth.check_nats(cluster, "n", replicas, problems)
    return str(problems)


@pytest.mark.parametrize("cluster", [Cluster(servers=1, claims=1), Cluster(claims=1)], ids=["running", "torn down"])
def test_single_server_does_not_become_a_cluster(cluster: Cluster) -> None:
    text = _problems(cluster, 3)
    assert text.startswith("- platform_stores.nats.replicas = 3: makes a cluster of a server that has run alone")
    assert "Set 1, or move the streams by a backup: docs/guide/storage.md#between" in text


def test_cluster_does_not_become_a_single_server() -> None:
    text = _problems(Cluster(servers=3, claims=3), 1)
    assert text.startswith("- platform_stores.nats.replicas = 1: is one server, and 3 run as a cluster")
    assert "Set 3, or move the streams by a backup" in text


@pytest.mark.parametrize(
    ("cluster", "replicas"),
    [
        (Cluster(), 3),
        (Cluster(), 1),
        (Cluster(servers=1, claims=1), 1),
        (Cluster(servers=1, claims=3), 1),
        (Cluster(servers=3, claims=1), 3),  # a first run that was cut short
        (Cluster(servers=3, claims=3), 5),
        (Cluster(claims=3), 3),
        (Cluster(refused=403), 3),
    ],
)
def test_everything_else_is_let_through(cluster: Cluster, replicas: int) -> None:
    assert not _problems(cluster, replicas)


def test_server_that_fails_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(ApiError):
        _problems(Cluster(refused=500), 3)


class Volumes:
    """Claims of stores by name, each with the size that it asks for."""

    def __init__(self, **sizes: str) -> None:
        self.sizes = sizes

    def get(self, _path: str, query: dict[str, Any] | None = None) -> dict[str, Any]:
        asked = str((query or {})["labelSelector"])
        return {
            "items": [
                {
                    "metadata": {"name": f"data-{store}-0", "labels": {"app": store}},
                    "spec": {"resources": {"requests": {"storage": size}}},
                }
                for store, size in self.sizes.items()
                if store in asked
            ]
        }


@pytest.mark.parametrize(
    ("has", "wanted", "refused"), [("10Gi", "5Gi", True), ("10Gi", "10240Mi", False), ("1Gi", "2Gi", False)]
)
def test_volume_smaller_than_its_claim_is_refused(has: str, wanted: str, refused: bool) -> None:
    problems = Problems()
    growth.check_sizes(Volumes(postgres=has, nats="1Gi"), "n", {"postgres": wanted}, problems)
    text = '.postgres.storage.size = "5Gi": is less than 10Gi of volume data-postgres-0, which cannot shrink'
    assert (text in str(problems)) is refused
    assert bool(problems.found) is refused
