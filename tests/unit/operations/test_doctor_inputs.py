"""Sandboxes that are not used, overhead that no input knows, and Secrets of credentials that moved on."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import doctor_inputs
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.doctor import Facts, examine
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.credential_references import Reference

Object = dict[str, Any]
OPENAI = Reference("openai_api_key", "ai-keys", "openai")


def deployment(name: str = "execution", runtime: str = "") -> Object:
    pod: Object = {"containers": []} | ({"runtimeClassName": runtime} if runtime else {})
    labels = {"app.kubernetes.io/name": name}
    return {
        "metadata": {"name": f"{name}-service", "labels": labels},
        "spec": {"replicas": 2, "template": {"spec": pod}},
    }


def runtime_class(name: str, handler: str, **fixed: str) -> Object:
    return {"metadata": {"name": name}, "handler": handler, "overhead": {"podFixed": fixed}}


def secret(name: str, **values: str) -> Object:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": {"name": name}, "data": data}


@pytest.mark.parametrize("handler", ["runsc", "kata-qemu", "gvisor", "aws-fc"])
def test_sandbox_of_the_cluster_is_advised(handler: str) -> None:
    ((what, remedy),) = doctor_inputs.sandbox([deployment()], [runtime_class("safe", handler)])
    assert what.startswith("execution runs code that models wrote, without a sandbox")
    assert what.endswith("the cluster has RuntimeClass safe")
    assert "platform_services_overrides.execution.runtime_class: safe" in remedy


@pytest.mark.parametrize(
    ("obj", "handler"), [(deployment(runtime="safe"), "runsc"), (deployment(), "runc"), (deployment("agent"), "runsc")]
)
def test_sandbox_is_not_advised_without_reason(obj: Object, handler: str) -> None:
    assert not list(doctor_inputs.sandbox([obj], [runtime_class("safe", handler)]))


def test_overhead_is_told_for_the_most_pods() -> None:
    classes = [runtime_class("safe", "runsc", cpu="250m", memory="64Mi")]
    ((what, remedy),) = doctor_inputs.overhead([deployment(runtime="safe")], classes, {"execution-service": 8})
    assert "2 of cpu, 512Mi of memory for 8 pods" in what
    assert "platform_quota_headroom" in remedy
    assert not list(doctor_inputs.overhead([deployment(runtime="plain")], classes, {}))


def test_secret_that_moved_on_is_told_without_its_value() -> None:
    deployed = secret("platform-credentials", openai_api_key="sk-of-yesterday")

    def told(*secrets: Object) -> list[tuple[bool, str, str]]:
        return list(doctor_inputs.references([OPENAI], [deployed, *secrets], "platform-credentials", "ns"))

    assert told(secret("ai-keys", openai="sk-of-yesterday")) == []
    ((hurts, what, remedy),) = told(secret("ai-keys", openai="sk-of-today"))
    assert (hurts, what) == (False, "Secret ai-keys has another value of openai_api_key than what is deployed")
    assert remedy == "Deploy it: make deploy"
    assert told()[0][:2] == (
        True,
        "Credential openai_api_key comes from Secret ai-keys in namespace ns, which does not exist",
    )
    assert "no value for the key openai" in told(secret("ai-keys", other="x"))[0][1]


def test_secret_of_a_credential_is_in_use() -> None:
    objects = {"Secret": [secret("ai-keys", openai="sk-of-today"), secret("left", a="b")]}
    found = examine(Facts(references=[OPENAI], objects=objects), datetime(2026, 11, 22, tzinfo=UTC))
    assert [f.what for f in found if "is used by no" in f.what] == ["Secret left is used by no pod, account or route"]
