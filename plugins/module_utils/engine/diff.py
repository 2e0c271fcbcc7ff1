"""What a change looks like, for people: two texts of one object without book-keeping and without secrets."""

from __future__ import annotations

from typing import Any

import yaml

from .compare import INPUT_HASH
from .manifests import describe

Object = dict[str, Any]

MASK = "********"
# Written by the server, or by us for our own use.
_METADATA = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")
# kubectl's copy of the whole object, values of a Secret included.
_ANNOTATIONS = (INPUT_HASH, "kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision")


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(dumper: Any, value: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def to_yaml(obj: Any) -> str:
    """YAML with sorted keys, block style and literal blocks for texts of several lines."""
    text: str = yaml.dump(obj, Dumper=_Dumper, default_flow_style=False, sort_keys=True, width=120, allow_unicode=True)
    return text


def clean(obj: Object) -> Object:
    """A copy without what the server or a controller writes: what remains is what somebody declared."""
    kept = {key: value for key, value in obj.items() if key != "status"}
    metadata = {key: value for key, value in obj.get("metadata", {}).items() if key not in _METADATA}
    annotations = {k: v for k, v in (metadata.pop("annotations", None) or {}).items() if k not in _ANNOTATIONS}
    if annotations:
        metadata["annotations"] = annotations
    kept["metadata"] = metadata
    return kept


def entry(before: Object | None, after: Object | None) -> dict[str, str]:
    """Ansible's diff of one object: ``before``, ``after`` and their headers. Values of a Secret are masked in both."""
    shown = after or before or {}
    name = describe(shown) + (f" ({ns})" if (ns := shown["metadata"].get("namespace")) else "")
    old, new = masked(clean(before) if before else None, clean(after) if after else None)
    return {
        "before_header": name,
        "after_header": name,
        "before": to_yaml(old) if old else "",
        "after": to_yaml(new) if new else "",
    }


def masked(before: Object | None, after: Object | None) -> tuple[Object | None, Object | None]:
    """Both objects with every value of a Secret replaced; a value that differs says so without telling either."""
    if (after or before or {}).get("kind") != "Secret":
        return before, after
    old, new = _values(before), _values(after)
    return (_mask(before, old, new, "old"), _mask(after, new, old, "new"))


def _values(secret: Object | None) -> dict[str, Any]:
    return {**((secret or {}).get("data") or {}), **((secret or {}).get("stringData") or {})}


def _mask(secret: Object | None, own: dict[str, Any], other: dict[str, Any], which: str) -> Object | None:
    if secret is None:
        return None
    hidden = dict(secret)
    for part in ("data", "stringData"):
        if part in secret:
            hidden[part] = {
                key: MASK if key not in other or other[key] == own[key] else f"{MASK} ({which})" for key in secret[part]
            }
    return hidden
