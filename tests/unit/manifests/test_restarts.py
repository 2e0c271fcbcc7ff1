"""What must not restart, because it is the only one of its kind."""

from __future__ import annotations

import json

from .manifests import Platform


def test_the_database_does_not_restart_for_a_part_more_or_less(platform: Platform) -> None:
    """Its pod's template names no part: roles, passwords and schemas are kept by the job (decision 0300)."""
    (pod,) = (pod for pod in platform.pods if pod.owner == "postgres" and pod.kind == "StatefulSet")
    text = json.dumps([pod.spec, pod.annotations])
    keys = _roles(platform)
    assert keys
    assert not [key for key in keys if key in text]


def _roles(platform: Platform) -> list[str]:
    secret = platform.of("Secret")["postgres-credentials"]
    return [key for key in {**secret.get("data", {}), **secret.get("stringData", {})} if key.startswith("role-")]
