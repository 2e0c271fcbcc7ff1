"""A workload without pods is neither restarted in silence nor refused with a wrong reason."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import workloads


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"app.kubernetes.io/name": name}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def test_restart_leaves_out_what_has_no_pods_and_what_is_paused() -> None:
    objects = [
        deployment("a", replicas=2),
        deployment("b", replicas=0),
        deployment("c", replicas=1, paused=True),
        deployment("d"),
    ]
    assert [obj["metadata"]["name"] for obj in objects if workloads.restartable(obj)] == ["a", "d"]
    error = workloads.left_out(objects)
    assert error
    assert error.message.splitlines() == [
        "Deployment b: spec.replicas is 0, so no pods exist and none were restarted.",
        "Deployment c: the rollout is paused, so no pods were restarted.",
    ]
    assert "make deploy" in error.remedy
    assert workloads.left_out(objects[:1]) is None


class Cluster:
    """One Deployment and its autoscaler."""

    def __init__(self, replicas: int) -> None:
        self.deployment = deployment("a", replicas=replicas)

    def list(self, kind: Any, _namespace: str, **_: Any) -> tuple[list[dict[str, Any]], str]:
        reference = {"kind": "Deployment", "name": "a"}
        scaler = {"metadata": {"name": "a"}, "spec": {"scaleTargetRef": reference, "minReplicas": 2, "maxReplicas": 4}}
        return {"Deployment": [self.deployment], "HorizontalPodAutoscaler": [scaler]}.get(kind.kind, []), ""


@pytest.mark.parametrize(
    ("replicas", "words", "remedy"),
    [
        (0, "has 0 pods, which turns HorizontalPodAutoscaler a off", "minimum of its autoscaler, 2"),
        (2, "keeps it between 2 and 4 pods", "min_replicas"),
    ],
)
def test_scale_of_an_autoscaled_part_names_the_way(replicas: int, words: str, remedy: str) -> None:
    with pytest.raises(EngineError, match=words) as caught:
        workloads.scale(Cluster(replicas), "ns", "a", 3, check=True)  # type: ignore[arg-type]
    assert remedy in caught.value.remedy
