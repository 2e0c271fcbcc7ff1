"""What belongs to a tier: ApplySet labels and parents.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-cli/3659-kubectl-apply-prune
The parent is a ConfigMap in the tier's namespace. Its annotation names the kinds that the set holds, so that what is no
longer declared is found by one LIST a kind; members carry the set's id as a label.
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
TOOL = "multi-agent.platform/v1"

GroupKind = tuple[str, str]


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

    def parent(self, group_kinds: Iterable[GroupKind]) -> dict[str, Any]:
        """The parent object that says which kinds are in the set."""
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": {ID: self.id, "app.kubernetes.io/managed-by": "multi_agent.platform"},
                "annotations": {TOOLING: TOOL, CONTAINS: ",".join(sorted(_text(gk) for gk in group_kinds))},
            },
        }


def group_kinds(parent: dict[str, Any] | None) -> set[GroupKind]:
    """The kinds that a live parent names; none where there is no parent."""
    annotations = ((parent or {}).get("metadata") or {}).get("annotations") or {}
    return {_parse(text) for text in annotations.get(CONTAINS, "").split(",") if text}


def covers(live: dict[str, Any] | None, parent: dict[str, Any]) -> bool:
    """Whether ``live`` is the parent of its set, and names at least the kinds that ``parent`` does."""
    if live is None or not group_kinds(parent) <= group_kinds(live):
        return False
    wanted, found = parent["metadata"], live["metadata"]
    same = wanted["labels"].items() <= (found.get("labels") or {}).items()
    return bool(same and found["annotations"].get(TOOLING) == TOOL)


def _text(group_kind: GroupKind) -> str:
    group, kind = group_kind
    return f"{kind}.{group}" if group else kind


def _parse(text: str) -> GroupKind:
    kind, _, group = text.partition(".")
    return group, kind
