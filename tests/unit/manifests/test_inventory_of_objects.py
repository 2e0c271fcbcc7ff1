"""Everything that the platform consists of is there, counted, and nothing else."""

from __future__ import annotations

from collections import Counter

import pytest

from .manifests import Platform, platform

SERVICES = {
    "gateway": 3000,
    "orchestration": 3001,
    "agent": 3002,
    "tool": 3003,
    "model": 3004,
    "vector": 3005,
    "execution": 3006,
}
RESOURCES = {  # requests.cpu, limits.cpu in millicores, requests.memory, limits.memory in MiB
    "gateway-service": (200, 500, 256, 512),
    "orchestration-service": (300, 1000, 512, 1024),
    "agent-service": (300, 2000, 1024, 4096),
    "tool-service": (200, 500, 256, 512),
    "model-service": (500, 2000, 1024, 4096),
    "vector-service": (300, 1000, 512, 2048),
    "execution-service": (200, 1000, 256, 1024),
    "frontend": (200, 500, 256, 512),
    "postgres": (250, 1000, 256, 1024),
    "qdrant": (500, 2000, 512, 2048),
}
COUNT = {
    "Namespace": 1,
    "ResourceQuota": 1,
    "LimitRange": 1,
    "PriorityClass": 2,
    "ConfigMap": 6,  # common, service URLs, Postgres' scripts, Qdrant, NATS, Next.js
    "Secret": 11,  # the source of truth, three stores, seven services
    "ServiceAccount": 13,  # eight parts, three stores, the role job, default
    "NetworkPolicy": 14,  # eight parts, three stores, the role job, default deny, names
    "StatefulSet": 3,
    "Deployment": 8,
    "Job": 1,
    "HorizontalPodAutoscaler": 8,
    "PodDisruptionBudget": 11,
    "Service": 13,  # eight parts, three stores, NATS' headless one, Qdrant's external one
    "Ingress": 2,
}


def millicores(quantity: str) -> int:
    return int(quantity[:-1]) if quantity.endswith("m") else int(float(quantity) * 1000)


def mebibytes(quantity: str) -> int:
    return int(quantity[:-2]) * {"Mi": 1, "Gi": 1024}[quantity[-2:]]


def test_every_kind_is_there_in_its_number(local: Platform) -> None:
    assert Counter(o["kind"] for o in local.objects) == COUNT


def test_prod_has_no_external_qdrant_and_a_certificate() -> None:
    expected = COUNT | {"Service": COUNT["Service"] - 1, "Certificate": 1, "NetworkPolicy": COUNT["NetworkPolicy"] + 1}
    assert Counter(o["kind"] for o in platform("prod").objects) == expected
    assert "qdrant-external" not in platform("prod").of("Service")


def test_services_listen_where_the_seed_says(local: Platform) -> None:
    ports = {
        name: s["spec"]["ports"][0]["port"] for name, s in local.of("Service").items() if name.endswith("-service")
    }
    assert ports == {f"{name}-service": port for name, port in SERVICES.items()}
    assert local.of("Service")["frontend"]["spec"]["ports"][0]["port"] == 3001
    assert {p["port"] for p in local.of("Service")["postgres"]["spec"]["ports"]} == {5432}
    assert 6333 in {p["port"] for p in local.of("Service")["qdrant"]["spec"]["ports"]}
    assert {p["port"] for p in local.of("Service")["nats"]["spec"]["ports"]} == {4222}


@pytest.mark.parametrize("name", RESOURCES)
def test_resources_are_the_seed_s(local: Platform, name: str) -> None:
    resources = next(pod for pod in local.pods if pod.owner == name).containers[0]["resources"]
    got = (
        millicores(resources["requests"]["cpu"]),
        millicores(resources["limits"]["cpu"]),
        mebibytes(resources["requests"]["memory"]),
        mebibytes(resources["limits"]["memory"]),
    )
    assert got == RESOURCES[name]


def test_autoscalers_are_the_seed_s(local: Platform) -> None:
    for name, hpa in local.of("HorizontalPodAutoscaler").items():
        spec = hpa["spec"]
        targets = {m["resource"]["name"]: m["resource"]["target"]["averageUtilization"] for m in spec["metrics"]}
        assert (spec["minReplicas"], spec["maxReplicas"], targets) == (2, 10, {"cpu": 70, "memory": 80}), name


@pytest.mark.parametrize("name", ["postgres", "qdrant", "nats"])
def test_stores_have_a_volume_that_stays(local: Platform, name: str) -> None:
    spec = local.of("StatefulSet")[name]["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert "storageClassName" not in claim["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


@pytest.mark.parametrize("name", ["postgres", "qdrant", "nats-headless"])
def test_headless_services(local: Platform, name: str) -> None:
    assert local.of("Service")[name]["spec"]["clusterIP"] == "None"


def test_hosts_lead_to_the_frontend_and_the_gateway(local: Platform) -> None:
    backends = {
        rule["host"]: rule["http"]["paths"][0]["backend"]["service"]["name"]
        for ingress in local.of("Ingress").values()
        for rule in ingress["spec"]["rules"]
    }
    assert backends == {"multi-agent.local": "frontend", "api.multi-agent.local": "gateway-service"}


def test_keys_of_the_seed_s_secrets_reach_whom_they_are_for(local: Platform) -> None:
    ai = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY"}
    own = {"POSTGRES_USER", "POSTGRES_PASSWORD", "NATS_USER", "NATS_PASSWORD"}
    more = {"gateway": {"JWT_SECRET"}, "agent": ai, "model": ai, "vector": {"OPENAI_API_KEY", "QDRANT_API_KEY"}}
    for name in SERVICES:
        assert local.keys("Secret", f"{name}-service-credentials") == own | more.get(name, set()), name
    assert "frontend-credentials" not in local.of("Secret")


def test_quota_has_room_for_every_part_at_its_greatest(platform: Platform) -> None:
    pods = sum(hpa["spec"]["maxReplicas"] + 1 for hpa in platform.of("HorizontalPodAutoscaler").values())
    pods += sum(d["spec"].get("replicas", -1) + 1 for d in platform.of("Deployment").values())
    pods += sum(s["spec"]["replicas"] for s in platform.of("StatefulSet").values()) + len(platform.of("Job"))
    assert int(platform.of("ResourceQuota")["platform"]["spec"]["hard"]["pods"]) >= pods


def test_two_platforms_share_no_object_of_the_whole_cluster(local: Platform) -> None:
    cluster_wide = ("Namespace", "PriorityClass")
    other = platform("own-names")
    for kind in cluster_wide:
        assert not set(local.of(kind)) & set(other.of(kind))
