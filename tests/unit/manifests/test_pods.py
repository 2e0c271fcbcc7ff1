"""The shape of every pod: Pod Security, and the rules of linters that are not at hand, stated here by their names."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml

from .manifests import Platform, Pod, platform, strings
from .pod_security import violations


def lasting(p: Platform) -> list[Pod]:
    """Pods that serve, as opposed to those that finish."""
    return [pod for pod in p.pods if pod.kind in {"Deployment", "StatefulSet"}]


def test_pods_meet_pod_security_restricted(platform: Platform) -> None:
    assert {pod.owner: violations(pod.spec) for pod in platform.pods} == {pod.owner: [] for pod in platform.pods}


@pytest.mark.parametrize(
    "change",
    [
        {"hostNetwork": True},
        {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]},
        {"containers": [{"name": "bare"}]},
        {"initContainers": [{"name": "bare"}]},
    ],
)
def test_the_check_of_pod_security_finds_what_it_is_for(local: Platform, change: dict[str, Any]) -> None:
    assert violations({**copy.deepcopy(local.pods[0].spec), **change})


def test_namespace_enforces_what_the_pods_meet(platform: Platform) -> None:
    labels = next(iter(platform.of("Namespace").values()))["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert re.fullmatch(r"v1\.\d+", labels[f"pod-security.kubernetes.io/{mode}-version"])


def test_ids_are_above_those_of_a_node_and_roots_are_read_only(platform: Platform) -> None:
    for pod in platform.pods:
        for context in [pod.spec["securityContext"], *(c["securityContext"] for c in pod.containers)]:
            assert context["runAsUser"] > 10000
            assert context["runAsGroup"] > 10000
        assert all(c["securityContext"]["readOnlyRootFilesystem"] for c in pod.containers)


def test_no_pod_has_a_token_or_service_links(platform: Platform) -> None:
    for pod in platform.pods:
        assert pod.spec["automountServiceAccountToken"] is False
        assert pod.spec["enableServiceLinks"] is False
    for name, account in platform.of("ServiceAccount").items():
        assert account["automountServiceAccountToken"] is False, name


def test_scratch_has_a_limit_within_that_of_the_container(platform: Platform) -> None:
    for pod in platform.pods:
        sizes = [v["emptyDir"]["sizeLimit"] for v in pod.spec.get("volumes", []) if "emptyDir" in v]
        assert sizes, pod.owner
        total = sum(int(size.removesuffix("Mi")) for size in sizes)
        assert total <= int(pod.containers[0]["resources"]["limits"]["ephemeral-storage"].removesuffix("Mi")), pod.owner


def test_containers_state_every_resource(platform: Platform) -> None:
    for pod in platform.pods:
        for container in pod.containers:
            for side in ("requests", "limits"):
                assert set(container["resources"][side]) >= {"cpu", "memory", "ephemeral-storage"}, pod.owner


def test_probes_are_three_and_their_ports_are_declared(platform: Platform) -> None:
    """kube-linter: liveness-port, readiness-port, startup-port."""
    for pod in lasting(platform):
        (container,) = pod.containers
        startup, live, ready = (container[f"{name}Probe"] for name in ("startup", "liveness", "readiness"))
        questions = {str(probe.get("httpGet") or probe.get("exec")) for probe in (live, ready)}
        assert len(questions) == 2, pod.owner
        for probe in (startup, live, ready):
            assert probe.get("httpGet", {}).get("port", next(iter(pod.ports))) in pod.ports, pod.owner
        # A start takes long; a hang afterwards must not.
        assert startup["periodSeconds"] * startup["failureThreshold"] > live["periodSeconds"] * live["failureThreshold"]


def test_rollouts_keep_every_replica_and_say_when_they_hang(platform: Platform) -> None:
    for name, deployment in platform.of("Deployment").items():
        spec = deployment["spec"]
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}, name
        pod = next(p for p in platform.pods if p.owner == name)
        startup = pod.containers[0]["startupProbe"]
        assert spec["progressDeadlineSeconds"] > startup["periodSeconds"] * startup["failureThreshold"]


def test_stopping_takes_a_moment_and_fits_into_the_grace(platform: Platform) -> None:
    for pod in lasting(platform):
        if pod.owner == "postgres":  # its own fast shutdown
            continue
        hook = pod.containers[0]["lifecycle"]["preStop"]
        seconds = hook["sleep"]["seconds"] if "sleep" in hook else 40  # NATS: lame duck of 10 + 30 seconds
        assert seconds < pod.spec["terminationGracePeriodSeconds"], pod.owner
    graces = {pod.owner: pod.spec["terminationGracePeriodSeconds"] for pod in lasting(platform)}
    assert graces["agent-service"] == graces["execution-service"] == 300


def test_replicas_are_spread(platform: Platform) -> None:
    for pod in lasting(platform):
        keys = {c["topologyKey"] for c in pod.spec["topologySpreadConstraints"]}
        assert keys == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        terms = pod.spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][
            :1
        ]  # the others are the inventory's
        for selector in [c["labelSelector"] for c in pod.spec["topologySpreadConstraints"]] + [
            term["podAffinityTerm"]["labelSelector"] for term in terms
        ]:
            assert [p.owner for p in platform.selected(selector["matchLabels"])] == [pod.owner]


def test_budgets_let_pods_that_are_not_ready_go(platform: Platform) -> None:
    """kube-linter: pdb-unhealthy-pod-eviction-policy. polaris: a budget leaves room below the autoscaler's minimum."""
    for name, budget in platform.of("PodDisruptionBudget").items():
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow", name
        assert budget["spec"]["maxUnavailable"] == 1, name


def test_labels_say_what_an_object_is(platform: Platform) -> None:
    """polaris: app.kubernetes.io/instance is metadata.name (of a Job: of the series that it belongs to)."""
    for obj in platform.objects:
        labels = obj["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "multi-agent-platform"
        assert labels["app.kubernetes.io/instance"] == labels["app"]
        if obj["kind"] in ("Deployment", "StatefulSet", "Service", "HorizontalPodAutoscaler", "NetworkPolicy"):
            assert labels["app.kubernetes.io/instance"] == obj["metadata"]["name"]
        assert {"app.kubernetes.io/name", "app.kubernetes.io/component"} <= set(labels)


def test_labels_of_the_user_are_on_every_object_and_pod() -> None:
    p = platform("own-names")
    assert all(o["metadata"]["labels"]["example.org/team"] == "agents" for o in p.objects)
    assert all(pod.labels["example.org/team"] == "agents" for pod in p.pods)


def test_images_are_pinned_and_from_the_mirror() -> None:
    for name in ("prod", "own-names"):
        for pod in platform(name).pods:
            for container in pod.containers:
                assert re.search(r":[^@]+@sha256:[0-9a-f]{64}$", container["image"]), container["image"]
    assert all(
        c["image"].startswith("registry.example.org/mirror/")
        for pod in platform("own-names").pods
        for c in pod.containers
    )
    assert all(pod.spec["imagePullSecrets"] == [{"name": "registry-login"}] for pod in platform("own-names").pods)


def test_no_secret_is_in_an_environment_or_a_config_map(platform: Platform) -> None:
    """polaris: sensitiveContainerEnvVar. Names of files may say what they hold."""
    word = re.compile(r"PASSWORD|SECRET|TOKEN|API_KEY|CREDENTIAL")
    for pod in platform.pods:
        for variable in (v for c in pod.containers for v in c.get("env", [])):
            if word.search(variable["name"]):
                assert variable["name"].endswith("_FILE"), (pod.owner, variable)
    for name, config_map in platform.of("ConfigMap").items():
        assert not [text for text in strings(config_map["data"]) if "credential:" in text], name


def test_secrets_as_env_come_from_the_secret_and_leave_no_file() -> None:
    pods = {pod.owner: pod for pod in platform("secrets-as-env").pods}
    (container,) = pods["gateway-service"].containers
    references = {
        v["name"]: v["valueFrom"]["secretKeyRef"] for v in container["env"] if "secretKeyRef" in v.get("valueFrom", {})
    }
    keys = ("JWT_SECRET", "NATS_PASSWORD", "NATS_USER", "POSTGRES_PASSWORD", "POSTGRES_USER")
    assert references == {key: {"name": "gateway-service-credentials", "key": key} for key in keys}
    assert not [v for v in container["env"] if v["name"].endswith("_FILE")]
    assert not [v for v in pods["gateway-service"].spec["volumes"] if "secret" in v]
    assert [v for v in pods["agent-service"].spec["volumes"] if "secret" in v]


def test_a_secret_that_the_user_manages_is_not_written() -> None:
    secrets = platform("existing-secret").of("Secret")
    assert not {"platform-credentials", "from-the-vault"} & set(secrets)
    assert "gateway-service-credentials" in secrets


def test_a_part_starts_anew_for_its_own_changes_only() -> None:
    """own-names has one part more and one less than local: who does not call them keeps its checksum."""
    annotations = {pod.owner: pod.annotations for pod in platform("local").pods}
    other = {pod.owner: pod.annotations for pod in platform("own-names").pods}
    key = "multi-agent.platform/config-checksum"
    assert annotations["tool-service"][key] == other["tool-service"][key]
    assert annotations["orchestration-service"][key] != other["orchestration-service"][key]


def test_routes_by_gateway_api_never_cut_a_stream() -> None:
    routes = platform("http-route").of("HTTPRoute")
    assert set(routes) == {"api", "frontend", "https-redirect"}
    for host, backend in (("api", "gateway-service"), ("frontend", "frontend")):
        (rule,) = routes[host]["spec"]["rules"]
        assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}
        assert rule["backendRefs"][0]["name"] == backend
    (redirect,) = routes["https-redirect"]["spec"]["rules"]
    assert redirect["filters"][0]["requestRedirect"] == {"scheme": "https", "statusCode": 301}
    for route in routes.values():
        assert all(not host.startswith("*") for host in route["spec"]["hostnames"])
        assert all(parent["namespace"] == "gateways" for parent in route["spec"]["parentRefs"])


def test_ingresses_let_a_stream_be_silent_for_an_hour(local: Platform) -> None:
    ingresses = local.of("Ingress")
    assert set(ingresses) == {"api", "frontend"}
    for ingress in ingresses.values():
        annotations = ingress["metadata"]["annotations"]
        assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "3600"
        assert annotations["haproxy.org/timeout-server"] == annotations["nginx.org/proxy-read-timeout"] == "3600s"


def test_members_of_qdrant_restart_for_new_factors_a_single_one_never() -> None:
    key = "multi-agent.platform/config-checksum"
    members = {case: next(p for p in platform(case).pods if p.owner == "qdrant") for case in ("local", "prod")}
    assert key not in members["local"].annotations
    assert members["prod"].annotations[key]


@pytest.mark.parametrize(("case", "factors"), [("local", (1, 1)), ("prod", (2, 1))])
def test_qdrant_is_told_how_many_copies_to_keep(case: str, factors: tuple[int, int]) -> None:
    settings = yaml.safe_load(platform(case).of("ConfigMap")["qdrant-config"]["data"]["production.yaml"])
    collection = settings["storage"]["collection"]
    assert (collection["replication_factor"], collection["write_consistency_factor"]) == factors
