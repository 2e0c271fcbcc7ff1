"""What belongs to a tier: ApplySet labels and parents.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-cli/3659-kubectl-apply-prune
The parent is a ConfigMap in the tier's namespace. Its annotations name the kinds that the set holds, and the namespaces
that it reaches into, so that what is no longer declared is found by one LIST a kind and namespace; members carry the
set's id as a label.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PART_OF = "applyset.kubernetes.io/part-of"
ID = "applyset.kubernetes.io/id"
TOOLING = "applyset.kubernetes.io/tooling"
CONTAINS = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
TOOL = "multi-agent.platform/v1"

GroupKind = tuple[str, str]
Member = tuple[str, str, str, str]  # group, kind, namespace (empty: of the cluster), name


@dataclass(frozen=True)
class ApplySet:
    """The set of one tier in one namespace."""

    tier: str
    namespace: str

    @property
    def name(self) -> str:
        return f"applyset-{self.tier}"

    @property
    def id(self) -> str:
        """``applyset-<base64url(sha256(name.namespace.kind.group))>-v1``, as the KEP prescribes."""
        digest = hashlib.sha256(f"{self.name}.{self.namespace}.ConfigMap.".encode()).digest()
        return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"

    @property
    def selector(self) -> str:
        return f"{PART_OF}={self.id}"

    def parent(self, members: Iterable[Member]) -> dict[str, Any]:
        """The parent object that says of which kinds and where the members are."""
        places = {(group, kind, namespace) for group, kind, namespace, _ in members}
        kinds = {_text((group, kind)) for group, kind, _ in places}
        others = {namespace for *_, namespace in places} - {"", self.namespace}
        annotations = {TOOLING: TOOL, CONTAINS: ",".join(sorted(kinds))}
        if others:
            annotations[NAMESPACES] = ",".join(sorted(others))
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": {ID: self.id, "app.kubernetes.io/managed-by": "multi_agent.platform"},
                "annotations": annotations,
            },
        }


def group_kinds(parent: dict[str, Any] | None) -> set[GroupKind]:
    """The kinds that a live parent names; none where there is no parent."""
    return {_parse(text) for text in _listed(parent, CONTAINS)}


def additional_namespaces(parent: dict[str, Any] | None) -> set[str]:
    """The namespaces beside its own that a live parent names."""
    return _listed(parent, NAMESPACES)


def covers(live: dict[str, Any] | None, parent: dict[str, Any]) -> bool:
    """Whether ``live`` is the parent of its set, and names at least what ``parent`` does."""
    if live is None or not all(_listed(parent, what) <= _listed(live, what) for what in (CONTAINS, NAMESPACES)):
        return False
    wanted, found = parent["metadata"], live["metadata"]
    same = wanted["labels"].items() <= (found.get("labels") or {}).items()
    return bool(same and found["annotations"].get(TOOLING) == TOOL)


def _listed(parent: dict[str, Any] | None, annotation: str) -> set[str]:
    annotations = ((parent or {}).get("metadata") or {}).get("annotations") or {}
    return {text for text in annotations.get(annotation, "").split(",") if text}


def _text(group_kind: GroupKind) -> str:
    group, kind = group_kind
    return f"{kind}.{group}" if group else kind


def _parse(text: str) -> GroupKind:
    kind, _, group = text.partition(".")
    return group, kind
