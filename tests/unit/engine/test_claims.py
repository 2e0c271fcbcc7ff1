"""Claims remember the image that last served their data: when it is written, and when nothing is sent."""

from __future__ import annotations

from typing import Any

import pytest

from .fakes import WritableCluster, make, status_error
from .imports import claims

Object = dict[str, Any]

TEMPLATES = [{"metadata": {"name": "data"}}]


def stateful_set(annotations: Object | None = None, spec: Object | None = None, updated: int = 2) -> Object:
    main = {"name": "main", "image": "postgres:17.7", "volumeMounts": [{"name": "data"}]}
    pod = {"containers": [{"name": "sidecar", "image": "sidecar:1"}, main]}
    declared = {"replicas": 2, "volumeClaimTemplates": TEMPLATES, "template": {"spec": pod}, **(spec or {})}
    metadata = {"generation": 4, "annotations": annotations or {}}
    return make("apps/v1", "StatefulSet", "web", metadata=metadata, spec=declared, status={"updatedReplicas": updated})


def claim(ordinal: int) -> Object:
    return make("v1", "PersistentVolumeClaim", f"data-web-{ordinal}")


def record(cluster: WritableCluster, obj: Object) -> list[str]:
    said: list[str] = []
    claims.record(cluster, [obj], said.append)  # type: ignore[arg-type]
    return said


def test_claims_and_set_are_noted_once() -> None:
    obj = stateful_set()
    cluster = WritableCluster(obj, claim(0), claim(1))
    assert record(cluster, obj) == []
    image = {"metadata": {"annotations": {claims.LAST_READY_IMAGE: "postgres:17.7"}}}
    noted = {"metadata": {"annotations": {claims.RECORDED: "4"}}}
    assert cluster.patches == [
        ("PersistentVolumeClaim", "data-web-0", image),
        ("PersistentVolumeClaim", "data-web-1", image),
        ("StatefulSet", "web", noted),
    ]


def test_ordinals_may_start_elsewhere_and_claims_may_lack() -> None:
    obj = stateful_set(spec={"ordinals": {"start": 1}})
    cluster = WritableCluster(obj, claim(1))
    assert record(cluster, obj) == []
    assert [name for _, name, _ in cluster.patches] == ["data-web-1", "web"]


@pytest.mark.parametrize(
    "obj",
    [
        stateful_set({claims.RECORDED: "4"}),
        stateful_set(spec={"volumeClaimTemplates": []}),
        stateful_set(updated=1),
        make("apps/v1", "Deployment", "web", spec={}),
    ],
    ids=["noted before", "no volumes", "some pods are of another revision", "no StatefulSet"],
)
def test_nothing_is_sent(obj: Object) -> None:
    cluster = WritableCluster(obj, claim(0), claim(1))
    assert (record(cluster, obj), cluster.patches) == ([], [])


def test_failure_is_a_line_and_no_failure_of_the_run() -> None:
    obj = stateful_set()
    cluster = WritableCluster(obj, claim(0))
    cluster.refusal = status_error(403, "may not patch claims")
    (line,) = record(cluster, obj)
    assert "StatefulSet web" in line
    assert "may not patch claims" in line
