"""Inputs of components and stores that end in manifests as they were given, whatever they hold."""

from __future__ import annotations

from typing import Any

import pytest

from .manifests import Object, Platform, platform


@pytest.fixture
def every() -> Platform:
    return platform("every-input")


def pod(p: Platform, kind: str, name: str) -> Object:
    template: Object = p.of(kind)[name]["spec"]["template"]
    return template


def test_placement_reaches_pods_of_components_and_stores(every: Platform) -> None:
    sandbox = pod(every, "Deployment", "execution-service")["spec"]
    assert sandbox["nodeSelector"] == {"example.org/sandbox": "true"}
    assert sandbox["tolerations"] == [{"key": "example.org/sandbox", "operator": "Exists", "effect": "NoSchedule"}]
    assert sandbox["runtimeClassName"] == "gvisor"
    assert pod(every, "StatefulSet", "postgres")["spec"]["tolerations"] == [{"operator": "Exists"}]
    (job,) = (obj for name, obj in every.of("Job").items() if name.startswith("postgres-roles"))
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {"example.org/disk": "nvme"}
    others = [
        p for p in every.pods if p.owner not in {"execution-service", "postgres", "qdrant", job["metadata"]["name"]}
    ]
    assert not any("nodeSelector" in p.spec or "runtimeClassName" in p.spec for p in others)


def test_affinity_is_added_to_the_spread_over_nodes(every: Platform) -> None:
    affinity = pod(every, "Deployment", "model-service")["spec"]["affinity"]
    preferred = affinity["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [term["weight"] for term in preferred] == [100, 10]
    assert affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]


def test_annotations_and_labels_stay_with_their_kind(every: Platform) -> None:
    kinds = ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget")
    for kind in kinds:
        assert every.of(kind)["model-service"]["metadata"]["annotations"]["example.org/owner"] == "models"
    assert every.of("Secret")["model-service-credentials"]["metadata"]["annotations"]["example.org/owner"] == "models"
    metadata = pod(every, "Deployment", "model-service")["metadata"]
    assert metadata["annotations"]["example.org/text"] == 'a: "b"\n- {{ c }} # d'
    assert metadata["annotations"]["true"] == "1"
    assert "example.org/owner" not in metadata["annotations"]
    assert metadata["labels"]["azure.workload.identity/use"] == "true"
    assert (metadata["labels"]["example.org/cost"], metadata["labels"]["example.org/team"]) == ("models", "agents")
    assert every.of("Deployment")["model-service"]["metadata"]["labels"]["example.org/cost"] == "shared"
    claims = every.of("StatefulSet")["nats"]["spec"]["volumeClaimTemplates"]
    assert "example.org/owner" not in claims[0]["metadata"]["labels"]


def test_workload_identity_mounts_no_token(every: Platform) -> None:
    account = every.of("ServiceAccount")["model-service"]
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/model"}
    assert account["automountServiceAccountToken"] is False
    assert "annotations" not in every.of("ServiceAccount")["agent-service"]["metadata"]


def test_fixed_number_of_pods_has_no_autoscaler(every: Platform) -> None:
    assert every.of("Deployment")["execution-service"]["spec"]["replicas"] == 3
    assert "execution-service" not in every.of("HorizontalPodAutoscaler")
    assert every.of("PodDisruptionBudget")["execution-service"]["spec"]["maxUnavailable"] == 1


def test_migration_runs_where_its_component_runs() -> None:
    (job,) = (obj for name, obj in platform("migration").of("Job").items() if name.startswith("agent-service"))
    spec: Any = job["spec"]["template"]["spec"]
    assert (spec["nodeSelector"], spec["runtimeClassName"]) == ({"example.org/sandbox": "true"}, "gvisor")
    assert list(spec["affinity"]) == ["nodeAffinity"]
    assert job["metadata"]["annotations"]["example.org/note"] == "runs: {once} # a version"
    assert job["spec"]["template"]["metadata"]["annotations"] == {"example.org/note": "'"}
