"""Whatever an object refers to by name, label or key is there."""

from __future__ import annotations

from typing import Any

from .manifests import Platform, Pod

Source = tuple[str, str, set[str]]  # kind, name, keys that must be there
FIELD = {"ConfigMap": "configMap", "Secret": "secret"}


def test_services_select_pods_of_their_own_set_and_ports_that_these_declare(platform: Platform) -> None:
    for name, service in platform.of("Service").items():
        pods = platform.selected(service["spec"]["selector"])
        assert {pod.labels["app"] for pod in pods} == {service["spec"]["selector"]["app"]}, name
        assert len(pods) == 1, name
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in pods[0].ports, (name, port)
            assert pods[0].ports[port["targetPort"]] == port["port"], (name, port)


def test_workloads_select_their_own_pods_alone(platform: Platform) -> None:
    for kind in ("Deployment", "StatefulSet"):
        for name, workload in platform.of(kind).items():
            selector = workload["spec"]["selector"]["matchLabels"]
            assert [(pod.kind, pod.owner) for pod in platform.selected(selector)] == [(kind, name)]
            assert selector == {"app": name}


def test_stateful_sets_name_a_headless_service(platform: Platform) -> None:
    for name, workload in platform.of("StatefulSet").items():
        service = platform.of("Service")[workload["spec"]["serviceName"]]
        assert service["spec"]["clusterIP"] == "None", name
        assert service["spec"]["selector"] == {"app": name}


def test_autoscalers_and_budgets_have_a_target(platform: Platform) -> None:
    for name, hpa in platform.of("HorizontalPodAutoscaler").items():
        target = hpa["spec"]["scaleTargetRef"]
        assert "replicas" not in platform.of(target["kind"])[target["name"]]["spec"], name
    for name, budget in platform.of("PodDisruptionBudget").items():
        assert [pod.owner for pod in platform.selected(budget["spec"]["selector"]["matchLabels"])] == [name]
    scaled = {name for name, obj in platform.of("Deployment").items() if "replicas" not in obj["spec"]}
    assert set(platform.of("HorizontalPodAutoscaler")) == scaled
    assert set(platform.of("PodDisruptionBudget")) == set(platform.of("Deployment")) | set(platform.of("StatefulSet"))


def test_routes_lead_to_ports_that_are_there(platform: Platform) -> None:
    for ingress in platform.of("Ingress").values():
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                ports = platform.of("Service")[backend["name"]]["spec"]["ports"]
                assert backend["port"]["name"] in {port["name"] for port in ports}


def test_accounts_and_priorities_are_there(platform: Platform) -> None:
    for pod in platform.pods:
        assert pod.spec["serviceAccountName"] in platform.of("ServiceAccount")
        assert pod.spec["serviceAccountName"] != "default"
        assert pod.spec["priorityClassName"] in platform.of("PriorityClass")


def sources(pod: Pod) -> list[Source]:
    """Each ConfigMap and Secret that a pod takes something from."""
    return [*volume_sources(pod), *(source for c in pod.containers for source in container_sources(pod, c))]


def volume_sources(pod: Pod) -> list[Source]:
    found: list[Source] = []
    for volume in pod.spec.get("volumes", []):
        for part in [volume, *volume.get("projected", {}).get("sources", [])]:
            kind, name = origin(part)
            if kind:
                found.append((kind, name, {item["key"] for item in part[FIELD[kind]].get("items", [])}))
    return found


def container_sources(pod: Pod, container: dict[str, Any]) -> list[Source]:
    found: list[Source] = []
    for kind, whole, key in (("ConfigMap", "configMapRef", "configMapKeyRef"), ("Secret", "secretRef", "secretKeyRef")):
        found += [(kind, source[whole]["name"], set()) for source in container.get("envFrom", []) if whole in source]
        references = [v["valueFrom"][key] for v in container.get("env", []) if key in v.get("valueFrom", {})]
        found += [(kind, reference["name"], {reference["key"]}) for reference in references]
    volumes = {v["name"]: v for v in pod.spec.get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        assert mount["name"] in volumes or (pod.kind == "StatefulSet" and mount["name"] == "data"), (pod.owner, mount)
        kind, name = origin(volumes[mount["name"]]) if "subPath" in mount else ("", "")
        if kind:
            found.append((kind, name, {mount["subPath"]}))
    return found


def origin(volume: dict[str, Any]) -> tuple[str, str]:
    """Kind and name of what a volume, or a source of a projected one, holds; empty for other volumes."""
    for kind, field in FIELD.items():
        if field in volume:
            return kind, volume[field].get("secretName") or volume[field]["name"]
    return "", ""


def test_config_maps_secrets_and_their_keys_are_there(platform: Platform) -> None:
    for pod in platform.pods:
        for kind, name, keys in sources(pod):
            assert name in platform.of(kind), (pod.owner, kind, name)
            assert keys <= platform.keys(kind, name), (pod.owner, kind, name)


def test_every_config_map_and_secret_has_a_reader(platform: Platform) -> None:
    read = {(kind, name) for pod in platform.pods for kind, name, _ in sources(pod)}
    there = {(kind, name) for kind in ("ConfigMap", "Secret") for name in platform.of(kind)}
    # The source of truth is mounted by nobody.
    assert there - read == {("Secret", "platform-credentials")}


def test_files_of_credentials_are_where_the_environment_says(platform: Platform) -> None:
    for pod in platform.pods:
        for container in pod.containers:
            mounts = {m["mountPath"]: m["name"] for m in container.get("volumeMounts", [])}
            for variable in container.get("env", []):
                if not variable["name"].endswith("_FILE"):
                    continue
                folder, _, key = variable["value"].rpartition("/")
                secret = next(v for v in pod.spec["volumes"] if v["name"] == mounts[folder])["secret"]
                paths = (
                    {i["path"] for i in secret["items"]}
                    if "items" in secret
                    else platform.keys("Secret", secret["secretName"])
                )
                assert key in paths, (pod.owner, variable)


def test_addresses_in_the_environment_are_services(platform: Platform) -> None:
    services = platform.of("Service")
    data = {**platform.of("ConfigMap")["platform-config"]["data"], **platform.of("ConfigMap")["service-urls"]["data"]}
    urls = {key: value for key, value in data.items() if key.endswith("_URL")}
    assert len(urls) >= 9
    for key, url in urls.items():
        host, _, port = url.rpartition("//")[2].partition(":")
        assert int(port) in {p["port"] for p in services[host]["spec"]["ports"]}, key
    assert int(data["POSTGRES_PORT"]) in {p["port"] for p in services[data["POSTGRES_HOST"]]["spec"]["ports"]}
