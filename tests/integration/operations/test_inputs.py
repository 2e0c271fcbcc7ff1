"""Credentials that Secrets of users hold, a fixed number of pods and a sandbox, from the first run to the teardown."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.backup import quiet
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.cluster import connect

from ..conftest import Cluster
from .test_verbs import Platform

FIRST, SECOND = "sk-of-others-8fK2mQz7LwXv", "sk-of-others-3pRt9YcNbW4s"
SUPERUSER = ("Vb7kQ2mZx9Lw4RtH", "p9Lk3jH6gF1dS8aZ")
REFERENCE: dict[str, Any] = {
    "openai_api_key": {"secret": "ai-keys", "key": "openai"},
    "postgres_password": {"secret": "ai-keys", "key": "superuser"},
}


@pytest.fixture(scope="module")
def platform(cluster: Cluster) -> Iterator[Platform]:
    made = Platform(cluster, f"inputs-{secrets.token_hex(4)}")
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--wait=false", "--ignore-not-found")
    cluster.kubectl("delete", "runtimeclass", made.namespace, "--ignore-not-found")


def value(platform: Platform, secret: str, key: str) -> str:
    return base64.b64decode(platform.get("secret", secret)["data"][key]).decode()


def checksum(platform: Platform, name: str) -> str:
    metadata = platform.get("deployment", name)["spec"]["template"]["metadata"]
    return str(metadata["annotations"]["multi-agent.platform/credentials-checksum"])


def test_secret_that_is_missing_stops_the_first_run(platform: Platform) -> None:
    said = platform.run("site", expect=2, platform_credentials_from=REFERENCE)
    assert "platform_credentials_from.openai_api_key: names Secret ai-keys in namespace" in said
    assert "does not exist" in said
    assert not platform.cluster.kubectl("get", "namespace", platform.namespace, "--ignore-not-found")


def test_referred_value_is_distributed_and_its_secret_left_alone(platform: Platform) -> None:
    platform.cluster.kubectl("create", "namespace", platform.namespace)
    platform.kubectl(
        "create",
        "secret",
        "generic",
        "ai-keys",
        f"--from-literal=openai={FIRST}",
        f"--from-literal=superuser={SUPERUSER[0]}",
    )
    before = platform.get("secret", "ai-keys")
    output = platform.run("site", platform_credentials_from=REFERENCE)
    assert FIRST not in output
    assert value(platform, "model-service-credentials", "OPENAI_API_KEY") == FIRST
    assert value(platform, "platform-credentials", "openai_api_key") == FIRST
    assert value(platform, "platform-credentials", "jwt_secret")
    assert platform.get("secret", "ai-keys") == before
    assert "nothing to change" in platform.plan(expect=0, platform_credentials_from=REFERENCE)
    assert "ai-keys" not in platform.run("doctor", platform_credentials_from=REFERENCE)


def test_refreshed_value_is_seen_and_taken_up(platform: Platform) -> None:
    old = {name: checksum(platform, name) for name in ("model-service", "gateway-service")}
    data = {
        key: base64.b64encode(new.encode()).decode() for key, new in (("openai", SECOND), ("superuser", SUPERUSER[1]))
    }
    platform.kubectl("patch", "secret", "ai-keys", "--patch", json.dumps({"data": data}))
    advice = platform.run("doctor", platform_credentials_from=REFERENCE)
    assert "Secret ai-keys has another value of openai_api_key than what is deployed" in advice
    assert "none." in platform.run("drift", drift_fail=True)
    output = platform.run("site", platform_credentials_from=REFERENCE)
    assert not {FIRST, SECOND} & {word.strip("',\"") for word in (advice + output).split()}
    assert value(platform, "model-service-credentials", "OPENAI_API_KEY") == SECOND
    assert checksum(platform, "model-service") != old["model-service"]
    assert checksum(platform, "gateway-service") == old["gateway-service"]
    # The job logs in with the password before, and gives the superuser the new one.
    assert value(platform, "postgres-credentials", "POSTGRES_PASSWORD") == SUPERUSER[1]
    assert value(platform, "postgres-credentials", "POSTGRES_PASSWORD_STANDBY") == SUPERUSER[0]
    assert "none." in platform.run("drift", drift_fail=True)
    assert "nothing to change" in platform.plan(expect=0, platform_credentials_from=REFERENCE)
    assert "ai-keys" not in platform.run("doctor", platform_credentials_from=REFERENCE)


def test_rotation_leaves_a_referred_value_to_its_owner(platform: Platform) -> None:
    both = REFERENCE | {"anthropic_api_key": {"secret": "ai-keys", "key": "openai"}}
    said = platform.run("rotate", expect=2, rotate="ai", platform_credentials_from=both)
    assert "openai_api_key from Secret ai-keys, which is only read. Nothing was changed." in said


def test_value_stays_when_its_reference_goes(platform: Platform) -> None:
    superuser = {"postgres_password": REFERENCE["postgres_password"]}
    assert "nothing to change" in platform.plan(expect=0, platform_credentials_from=superuser)


def test_fixed_number_of_pods_is_scaled_and_restored(platform: Platform) -> None:
    fixed: dict[str, Any] = {"platform_services_overrides": {"tool": {"scaling": {"enabled": False, "replicas": 1}}}}
    plan = platform.plan(expect=2, **fixed)
    assert "- HorizontalPodAutoscaler tool-service (pruned)" in plan
    platform.run("site", **fixed)
    assert platform.get("deployment", "tool-service")["spec"]["replicas"] == 1
    assert "nothing to change" in platform.plan(expect=0, **fixed)
    assert "1 -> 2 pods." in platform.run("scale", part="tool", replicas=2)
    platform.run("site", **fixed)
    assert platform.get("deployment", "tool-service")["spec"]["replicas"] == 1
    platform.run("site")
    assert platform.get("hpa", "tool-service")["spec"]["minReplicas"] == 2


def test_fixed_number_does_not_end_a_restore(platform: Platform) -> None:
    fixed: dict[str, Any] = {"platform_services_overrides": {"tool": {"scaling": {"enabled": False, "replicas": 1}}}}
    platform.run("site", **fixed)
    api = connect({"kubeconfig": str(platform.cluster.kubeconfig)})
    try:
        assert quiet.stop(api, platform.namespace, ["tool-service"], 60) == ["tool-service"]
        said = platform.run("site", expect=2, **fixed)
        assert "multi-agent-platform-restore owns" in said
        assert quiet.start(api, platform.namespace, 0, lambda *_: None) == ["tool-service"]
    finally:
        api.close()
    platform.run("site", **fixed)
    assert platform.get("deployment", "tool-service")["spec"]["replicas"] == 1
    assert "nothing to change" in platform.plan(expect=0, **fixed)


def test_runtime_class_has_to_exist(platform: Platform) -> None:
    sandbox: dict[str, Any] = {"platform_services_overrides": {"execution": {"runtime_class": platform.namespace}}}
    said = platform.run("site", expect=2, **sandbox)
    assert f'platform_services.execution.runtime_class = "{platform.namespace}": is not a RuntimeClass' in said
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "runsc"}
    platform.cluster.kubectl("apply", "--filename=-", objects=[runtime | {"metadata": {"name": platform.namespace}}])
    assert f"the cluster has RuntimeClass {platform.namespace}" in platform.run("doctor")
    platform.run("site", **sandbox)
    pods = platform.get("pods", "--selector=app=execution-service")["items"]
    assert {pod["spec"]["runtimeClassName"] for pod in pods} == {platform.namespace}
    assert "without a sandbox" not in platform.run("doctor", **sandbox)


def test_teardown_leaves_secrets_of_others(platform: Platform) -> None:
    said = platform.run("teardown", platform_credentials_from=REFERENCE)
    assert "Secret ai-keys" not in said
    assert value(platform, "ai-keys", "openai") == SECOND
