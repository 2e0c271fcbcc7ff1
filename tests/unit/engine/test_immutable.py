"""What is said of fields that cannot change."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import immutable
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import ApiError


def stateful_set(size: str) -> dict[str, Any]:
    claim = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }
    return {"kind": "StatefulSet", "metadata": {"name": "postgres"}, "spec": {"volumeClaimTemplates": [claim]}}


def refusal(*causes: dict[str, str], status: int = 422, message: str = "") -> ApiError:
    """What a server answers: each cause in the message too, as field and text."""
    told = ", ".join(f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in causes)
    body = {"reason": "Invalid", "message": message or f'Thing "x" is invalid: {told}', "details": {"causes": causes}}
    return ApiError(status, body)


def cause(field: str, message: str) -> dict[str, str]:
    reason = "FieldValueForbidden" if message.startswith("Forbidden") else "FieldValueInvalid"
    return {"reason": reason, "field": field, "message": message}


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("value", "Forbidden: may not be changed in an update."),
        ("preemptionPolicy", 'Invalid value: "Never": field is immutable'),
        (
            "spec",
            "Forbidden: pod updates may not change fields other than `spec.tolerations`\n  core.PodSpec{a: 1",
        ),
        ("spec.template", 'Invalid value: {"metadata":{"labels":{"a":"b: c"}}}: field is immutable'),
        ("spec.selector", 'Invalid value: {"matchLabels":{"app":"x"}}: field is immutable'),
        ("roleRef", 'Invalid value: {"kind":"ClusterRole","name":"edit"}: cannot change roleRef'),
        ("roleRef", "Invalid value: null: field is immutable"),
        ("parameters", "Forbidden: updates to parameters are forbidden."),
        ("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas', 'template' are forbidden"),
        ("spec.clusterIPs[0]", 'Invalid value: ["10.0.0.1"]: may not change once set'),
        ("spec", "Forbidden: spec is immutable after creation except resources.requests for bound claims\n  a: b"),
        ("data", "Forbidden: field is immutable when `immutable` is set"),
    ],
)
def test_what_servers_say_of_a_field_that_cannot_change(field: str, message: str) -> None:
    assert immutable.refused_for(refusal(cause(field, message)))
    for status in (403, 500):
        assert not immutable.refused_for(refusal(cause(field, message), status=status))


_POLICY = "ValidatingAdmissionPolicy 'labels' with binding 'labels' denied request: label x cannot be changed"


@pytest.mark.parametrize(
    "error",
    [
        refusal(cause("spec.replicas", "Invalid value: -1: must be greater than or equal to 0")),
        # The word stands in the object's name, or in the value that was refused.
        refusal(
            cause("spec.replicas", "Invalid value: -1: must be greater than or equal to 0"),
            message='Job.batch "index-immutable" is invalid: spec.replicas: Invalid value: -1: must be greater',
        ),
        refusal(cause("metadata.labels", 'Invalid value: "im: immutable!": a valid label must be an empty string')),
        refusal(status=403, message='pods "x" is forbidden: User "jane" cannot update resource "pods"'),
        refusal({"reason": "FieldValueRequired", "field": "spec.immutable", "message": "Required value: is immutable"}),
        # Policies: of webhooks, and of the server's own admission.
        refusal(status=403, message='admission webhook "gatekeeper" denied the request: immutable digest'),
        refusal({"message": _POLICY}, message=f'jobs.batch "x" is forbidden: {_POLICY}'),
    ],
    ids=str,
)
def test_other_refusals_are_none_of_these(error: ApiError) -> None:
    assert not immutable.refused_for(error)


@pytest.mark.parametrize(
    ("api_version", "kind", "may"),
    [
        ("batch/v1", "Job", True),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", True),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", True),
        ("scheduling.k8s.io/v1", "PriorityClass", True),
        ("apps/v1", "Deployment", False),
        ("batch.volcano.sh/v1alpha1", "Job", False),
    ],
)
def test_what_may_be_made_anew(api_version: str, kind: str, may: bool) -> None:
    field = cause("spec", "Invalid value: 1: field is immutable")
    desired = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}}
    assert immutable.may_recreate(refusal(field), desired) is may
    by_webhook = refusal(field, message='admission webhook "jobs.example.test" denied the request: field is immutable')
    assert not immutable.may_recreate(by_webhook, desired)


@pytest.mark.parametrize("field", ["data", "data.token", "stringData", "metadata.annotations"])
def test_values_of_a_secret_are_not_shown(field: str) -> None:
    def secret(value: str) -> dict[str, Any]:
        metadata = {"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": value}}
        values = {"data": {"token": value}, "stringData": {"token": value}}
        return {"kind": "Secret", "metadata": metadata, "type": value, **values}

    error = refusal(cause(field, "Forbidden: field is immutable when `immutable` is set"))
    text = str(immutable.explain(error, "Secret s", secret("Zmlyc3Q="), secret("c2Vjb25k")))
    assert f"\n  {field}: " in text
    assert "Zmlyc3Q=" not in text
    assert "c2Vjb25k" not in text
    error = refusal(cause("type", 'Invalid value: "a": field is immutable'))
    assert "type: is not set, wanted a" in str(immutable.explain(error, "Secret s", secret("a"), None))


def test_a_claim_that_should_grow_is_named_whether_or_not_the_server_names_a_field() -> None:
    message = "updates to statefulset spec for fields other than 'replicas' are forbidden"
    for field in ("spec", "spec.volumeClaimTemplates"):
        error = refusal(cause(field, f"Forbidden: {message}"))
        text = str(immutable.explain(error, "StatefulSet postgres", stateful_set("50Gi"), stateful_set("10Gi")))
        assert "spec.volumeClaimTemplates[0].spec.resources: is {'requests': {'storage': '10Gi'}}, wanted" in text
        assert "50Gi" in text


def test_other_kinds_are_named_by_the_servers_causes() -> None:
    error = refusal(cause("spec.clusterIP", 'Invalid value: "None": field is immutable'))
    service = {"kind": "Service", "metadata": {"name": "nats"}}
    text = str(
        immutable.explain(
            error,
            "Service nats",
            {**service, "spec": {"clusterIP": "None"}},
            {**service, "spec": {"clusterIP": "1.2.3.4"}},
        )
    )
    assert "spec.clusterIP: is 1.2.3.4, wanted None" in text
