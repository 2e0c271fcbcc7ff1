"""RuntimeClasses and Secrets that an inventory names: missing ones are refused with names, values are never shown."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import ApiError
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.credential_references import Reference
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.named_objects import Named, checks
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.problems import Problems

GVISOR = Named(runtime_classes=(("platform_services.execution.runtime_class", "gvisor"),))
KEYS = Named(references=(Reference("jwt_secret", "signing", "key", 32), Reference("other", "signing", "other", 12)))
REAL = "q8Zr1vXk0LwT5uYb3NnE7sGd9HfJ2mCp"


def asked(named: Named, answer: Any, tiers: tuple[str, ...] = ("services",)) -> Problems:
    def get(path: str) -> dict[str, Any]:
        if isinstance(answer, int):
            raise ApiError(answer, {"message": path})
        found: dict[str, Any] = answer
        return found

    problems = Problems()
    for run in checks(named, tiers):
        run(get, "agents", problems)
    return problems


def secret(**values: str) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"kind": "Secret", "metadata": {"name": "signing"}, "data": data}


def classes(*names: str) -> dict[str, Any]:
    return {"items": [{"metadata": {"name": name}} for name in names]}


def test_runtime_class_that_exists_is_accepted() -> None:
    assert not asked(GVISOR, classes("kata", "gvisor")).found


@pytest.mark.parametrize(
    ("there", "remedy"), [(("gviser",), 'Did you mean "gviser"'), ((), "install one, or remove runtime_class")]
)
def test_runtime_class_that_is_missing_is_refused(there: tuple[str, ...], remedy: str) -> None:
    said = str(asked(GVISOR, classes(*there)))
    assert 'platform_services.execution.runtime_class = "gvisor": is not a RuntimeClass' in said
    assert remedy in said


def test_runtime_class_that_may_not_be_seen_is_noted() -> None:
    problems = asked(GVISOR, 403)
    assert not problems.found
    assert problems.notes == ["This user may not list RuntimeClasses, so whether gvisor exists was not checked."]


def test_runtime_class_is_asked_for_by_its_tiers_alone() -> None:
    assert not checks(GVISOR, ["netpol", "datastores"])
    assert len(checks(GVISOR, ["frontend"])) == 1


def test_secret_with_every_key_is_accepted() -> None:
    assert not asked(KEYS, secret(key=REAL, other="Vb7kQ2mZx9Lw")).found


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (404, ("platform_credentials_from.jwt_secret", "Secret signing in namespace agents", "does not exist")),
        (403, ("may not read", "Grant get")),
        (secret(other="Vb7kQ2mZx9Lw"), ("names the key key", "Add it. It has other")),
        (secret(key="", other="Vb7kQ2mZx9Lw"), ("names the key key", "has no value")),
        (secret(key=REAL + "\n", other="Vb7kQ2mZx9Lw"), ("whose key key begins or ends with white space",)),
        (secret(key=REAL[:20], other="Vb7kQ2mZx9Lw"), ("has 20 characters of at least 32",)),
        (secret(key="your-secret-here-" * 3, other="Vb7kQ2mZx9Lw"), ("is a placeholder",)),
    ],
)
def test_secret_that_does_not_serve_is_refused(answer: Any, says: tuple[str, ...]) -> None:
    said = str(asked(KEYS, answer))
    assert all(word in said for word in says), said
    assert REAL[:20] not in said


def test_each_secret_is_asked_for_once() -> None:
    assert len(checks(KEYS, ["namespace"])) == 1
    assert not checks(KEYS, ["netpol", "ingress"])
