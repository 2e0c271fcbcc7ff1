"""What of an earlier release is not brought back, as it would take away what is in use."""

from __future__ import annotations

from typing import Any

from ansible_collections.multi_agent.platform.plugins.module_utils.operations import floors


class Cluster:
    """Holds one object."""

    def __init__(self, live: dict[str, Any] | None) -> None:
        self.live = live

    def find(self, kind: Any, namespace: str, name: str) -> dict[str, Any] | None:
        assert namespace == "ns"
        live = self.live
        return live if live and (live["kind"], live["metadata"]["name"]) == (kind.kind, name) else None


def keep(obj: dict[str, Any], live: dict[str, Any] | None, *, whole: bool = False) -> tuple[dict[str, Any], list[str]]:
    return floors.keep(Cluster(live), obj, whole=whole)  # type: ignore[arg-type]


def quota(**hard: str) -> dict[str, Any]:
    metadata = {"name": "platform", "namespace": "ns"}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}


def stateful_set(size: str, **filled_in: Any) -> dict[str, Any]:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **filled_in}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "qdrant", "namespace": "ns"},
        "spec": {"replicas": 1, "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}]},
    }


def claim(size: str) -> dict[str, Any]:
    spec = {"resources": {"requests": {"storage": size}}}
    metadata = {"name": "backups", "namespace": "ns"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def test_quota_keeps_what_is_in_use_resource_by_resource() -> None:
    live = quota(pods="50", storage="40Gi") | {"status": {"used": {"pods": "7", "storage": "40Gi", "cpu": "1"}}}
    before = quota(pods="20", storage="30Gi")
    after, lines = keep(before, live)
    assert after["spec"]["hard"] == {"pods": "20", "storage": "40Gi"}
    assert before["spec"]["hard"]["storage"] == "30Gi", "the release on record is not edited"
    assert lines == [
        "ResourceQuota platform keeps storage at 40Gi, as so much is in use; the release has 30Gi.",
    ]


def test_quota_keeps_all_it_allows_if_stores_stay() -> None:
    after, lines = keep(quota(pods="20"), quota(pods="50") | {"status": {"used": {"pods": "7"}}}, whole=True)
    assert after["spec"]["hard"] == {"pods": "50"}
    assert "as the tiers that stay were given it" in lines[0]


def test_equal_amounts_are_not_a_difference() -> None:
    before = quota(storage="30720Mi")
    assert keep(before, quota(storage="40Gi") | {"status": {"used": {"storage": "30Gi"}}}) == (before, [])


def test_objects_without_a_live_one_come_back_as_recorded() -> None:
    for obj in (quota(pods="1"), stateful_set("1Gi"), claim("1Gi")):
        assert keep(obj, None) == (obj, [])


def test_volumes_of_a_stateful_set_stay_as_they_are() -> None:
    live = stateful_set("40Gi", volumeMode="Filesystem")
    live["spec"]["volumeClaimTemplates"][0]["status"] = {"phase": "Pending"}
    after, lines = keep(stateful_set("30Gi"), live)
    (template,) = after["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"] == {"requests": {"storage": "40Gi"}}
    assert "status" not in template
    assert lines == ["StatefulSet qdrant keeps its volumes of 40Gi; the release has 30Gi."]
    unchanged = stateful_set("40Gi")
    assert keep(unchanged, live) == (unchanged, []), "defaults of the server are not a difference"


def test_a_claim_is_not_asked_to_shrink() -> None:
    after, lines = keep(claim("10Gi"), claim("20Gi"))
    assert after["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert "PersistentVolumeClaim backups keeps 20Gi" in lines[0]
    assert keep(claim("20Gi"), claim("10Gi"))[0]["spec"]["resources"]["requests"]["storage"] == "20Gi"
