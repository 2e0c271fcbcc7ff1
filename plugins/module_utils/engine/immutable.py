"""Fields that cannot be changed on a live object: which they are, and what can be done about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..platform.quantity import parse
from .errors import ApiError, EngineError
from .manifests import identity

Object = Mapping[str, Any]

# Kinds (group, kind) that may be deleted and made anew: they hold no data, serve no traffic, and nothing depends on
# their identity.
_RECREATED = frozenset(
    {
        ("batch", "Job"),
        ("rbac.authorization.k8s.io", "RoleBinding"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
    }
)
# In the words of the supported servers; only some kinds say "immutable".
_IMMUTABLE = re.compile(
    r"immutable|updates to \w+ spec for fields other than|updates may not change fields other than|"
    r"may not change once set|may not be changed|cannot be changed|cannot change roleRef|updates to \w+ are forbidden",
    re.I,
)
_VOLUME_SIZE = re.compile(r"spec\.volumeClaimTemplates\[\d+\]\.spec\.resources")
_REASONS = frozenset({"FieldValueInvalid", "FieldValueForbidden"})
# Of a Secret only these are shown: any other field may hold its values, annotations of kubectl too.
_SHOWN_OF_SECRET = frozenset({"type", "immutable"})


class ImmutableField(EngineError):
    """The inventory asks for another value of a field that the API does not let anybody change."""


def refused_for(error: ApiError) -> bool:
    """Whether the server refused an update because a field cannot change. A policy's refusal names no field."""
    return error.status == 422 and bool(_fields(error))


def may_recreate(error: ApiError, desired: Object) -> bool:
    """Whether ``desired`` may be deleted and made anew, given that the server refused an update (``refused_for``).

    What a webhook refuses is a policy of somebody else: nothing goes for that, even where its answer names a field.
    """
    return identity(desired)[:2] in _RECREATED and not error.server_message.startswith("admission webhook ")


def grows(desired: Object, live: Object) -> bool:
    """Whether larger volumes are all that cannot be changed in place from the StatefulSet ``live`` to ``desired``."""
    if desired["kind"] != "StatefulSet":
        return False
    fields = _stateful_fields(desired, live)
    return bool(fields) and all(
        _VOLUME_SIZE.fullmatch(field) and _is_larger(_at(desired, field), _at(live, field)) for field in fields
    )


def _is_larger(wanted: Any, current: Any) -> bool:
    """Whether of two ``resources`` of a claim the storage is larger in the first, and nothing else differs."""
    sizes = [str(((resources or {}).get("requests") or {}).get("storage", "0")) for resources in (wanted, current)]
    same = {**(wanted or {}), "requests": {**((wanted or {}).get("requests") or {}), "storage": sizes[1]}} == current
    return same and parse(sizes[0]).amount > parse(sizes[1]).amount


def _fields(error: ApiError) -> list[str]:
    """The fields that cannot change, of the answer to an update."""
    return [
        cause["field"]
        for cause in error.causes
        if cause.get("field")
        and cause.get("reason") in _REASONS
        and _IMMUTABLE.search(_detail(cause.get("message", "")))
    ]


def _detail(message: str) -> str:
    """What a cause says beside the value that was refused, which may be any text: ``Invalid value: ...: detail``."""
    return message.partition("\n")[0].rpartition(": ")[2]


def explain(error: ApiError, what: str, desired: Object, live: Object | None) -> ImmutableField:
    """The failure with each field, its current and its wanted value, and the remedy."""
    fields = _fields(error)
    if desired["kind"] == "StatefulSet":
        # Older servers name no field, newer ones a list of templates as a whole, which nobody can read.
        fields = _stateful_fields(desired, live or {}) or fields
    lines = []
    for field in fields or ["spec"]:
        if desired["kind"] == "Secret" and field not in _SHOWN_OF_SECRET:
            lines.append(f"  {field}: what it is and what is wanted is not shown")
            continue
        current, wanted = _at(live or {}, field), _at(desired, field)
        lines.append(f"  {field}: is {_short(current)}, wanted {_short(wanted)}")
    return ImmutableField(
        "\n".join([f"{what}: a field cannot be changed on a live object.", *lines]), _remedy(desired, fields)
    )


def _remedy(desired: Object, fields: list[str]) -> str:
    name = desired["metadata"]["name"]
    if desired["kind"] == "StatefulSet" and any("volumeClaimTemplates" in field for field in fields):
        return (
            f"To grow the volumes of {name} run the playbook expand_storage, which keeps the data; a volume cannot "
            "shrink or change its class in place. Else set the old value in the inventory again."
        )
    if desired["kind"] == "PersistentVolumeClaim":
        return "Only a larger request is accepted, where the StorageClass allows expansion. Set the old value again."
    return (
        f"Set the old value in the inventory again; or, where a short absence is acceptable, delete it by hand "
        f"(kubectl delete {desired['kind'].lower()} {name} --cascade=orphan) and run again."
    )


def _stateful_fields(desired: Object, live: Object) -> list[str]:
    """The fields that cannot change and that differ, down to the part of a claim's template."""
    fields = []
    wanted, current = desired.get("spec") or {}, live.get("spec") or {}
    for name in ("serviceName", "podManagementPolicy", "selector"):
        if name in wanted and wanted[name] != current.get(name, wanted[name]):
            fields.append(f"spec.{name}")
    before = {claim["metadata"]["name"]: claim for claim in current.get("volumeClaimTemplates") or []}
    for number, claim in enumerate(wanted.get("volumeClaimTemplates") or []):
        old = (before.get(claim["metadata"]["name"]) or {}).get("spec") or {}
        for part, value in (claim.get("spec") or {}).items():
            if old.get(part, value) != value or (not old):
                fields.append(f"spec.volumeClaimTemplates[{number}].spec.{part}")
    return fields


def _at(obj: Any, field: str) -> Any:
    for part in re.findall(r"[^.\[\]]+", field):
        if isinstance(obj, list) and part.isdigit() and int(part) < len(obj):
            obj = obj[int(part)]
        elif isinstance(obj, Mapping) and part in obj:
            obj = obj[part]
        else:
            return None
    return obj


def _short(value: Any) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= 120 else text[:117] + "..."
