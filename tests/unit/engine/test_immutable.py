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


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (422, 'PriorityClass.scheduling.k8s.io "x" is invalid: value: Forbidden: may not be changed in an update.'),
        (422, 'Pod "x" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.tolerations`'),
        (422, 'RoleBinding "x" is invalid: roleRef: Invalid value: {}: cannot change roleRef'),
        (422, 'RoleBinding "x" is invalid: roleRef: Invalid value: {}: field is immutable'),
        (422, 'StorageClass "x" is invalid: parameters: Forbidden: updates to parameters are forbidden.'),
        (403, "updates to statefulset spec for fields other than 'replicas' are forbidden"),
        (422, 'Service "x" is invalid: spec.clusterIPs[0]: Invalid value: may not change once set'),
    ],
)
def test_what_servers_say_of_a_field_that_cannot_change(status: int, message: str) -> None:
    assert immutable.refused_for(ApiError(status, {"message": message}))
    assert not immutable.refused_for(ApiError(500, {"message": message}))


@pytest.mark.parametrize(
    "message",
    [
        'Deployment "x" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
        'pods "x" is forbidden: User "jane" cannot update resource "pods"',
    ],
)
def test_other_refusals_are_none_of_these(message: str) -> None:
    assert not immutable.refused_for(ApiError(422, {"message": message}))
    assert not immutable.refused_for(ApiError(403, {"message": message}))


def test_a_claim_that_should_grow_is_named_whether_or_not_the_server_names_a_field() -> None:
    message = "updates to statefulset spec for fields other than 'replicas' are forbidden"
    for field in ("spec", "spec.volumeClaimTemplates"):
        causes = [{"field": field, "message": f"Forbidden: {message}"}]
        error = ApiError(422, {"reason": "Invalid", "message": message, "details": {"causes": causes}})
        text = str(immutable.explain(error, "StatefulSet postgres", stateful_set("50Gi"), stateful_set("10Gi")))
        assert "spec.volumeClaimTemplates[0].spec.resources: is {'requests': {'storage': '10Gi'}}, wanted" in text
        assert "50Gi" in text


def test_other_kinds_are_named_by_the_servers_causes() -> None:
    causes = [{"field": "spec.clusterIP", "message": "Invalid value: field is immutable"}]
    error = ApiError(422, {"reason": "Invalid", "message": "field is immutable", "details": {"causes": causes}})
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
