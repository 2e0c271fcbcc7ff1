"""Annotations and labels that an entry adds to its objects, by kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from . import names
from .problems import Problems
from .reader import Reader, to_text

COMPONENT_KINDS = (
    "pod",
    "deployment",
    "service",
    "service_account",
    "secret",
    "horizontal_pod_autoscaler",
    "pod_disruption_budget",
    "job",
)
STORE_KINDS = ("pod", "stateful_set", "service", "pod_disruption_budget")
ACCOUNT = "service_account_annotations"
# Written by the platform, by Kubernetes or by a command: a value in the inventory would be fought over.
_RESERVED = (
    "app.kubernetes.io/",
    "applyset.kubernetes.io/",
    "multi-agent.platform/",
    "deployment.kubernetes.io/",
    "kubectl.kubernetes.io/",
    "statefulset.kubernetes.io/",
    "batch.kubernetes.io/",
)
_RESERVED_LABELS = frozenset({"app", "pod-template-hash", "controller-revision-hash", "job-name", "controller-uid"})
_LONGEST = 256 << 10  # bytes of all annotations of an object


def read(reader: Reader, kinds: Iterable[str]) -> dict[str, dict[str, dict[str, str]]]:
    """{annotations: {kind: {key: value}}, labels: ...} with every kind there is."""
    kinds = tuple(kinds)
    hints = {"service_account": f"Write them under {ACCOUNT}", "autoscaler": 'Did you mean "horizontal_pod_autoscaler"'}
    annotated = tuple(kind for kind in kinds if kind != "service_account")
    annotations = reader.nested("annotations", annotated, hints)
    labels = reader.nested("labels", kinds)
    return {
        "annotations": {kind: _pairs(annotations, kind, check_annotation) for kind in annotated},
        "labels": {kind: _pairs(labels, kind, check_label) for kind in kinds},
    }


def read_account(reader: Reader) -> dict[str, str]:
    """Annotations of the ServiceAccount."""
    return _pairs(reader, ACCOUNT, check_annotation)


def _pairs(reader: Reader, key: str, check: Any) -> dict[str, str]:
    value, path = reader.raw(key, {}), reader.at(key)
    if not isinstance(value, Mapping):
        reader.problems.add(path, value, "is not a dictionary", "Write key: value pairs")
        return {}
    for name, content in value.items():
        check(str(name), content, f"{path}.{name}", reader.problems)
    pairs = {str(name): to_text(content) for name, content in value.items()}
    if sum(len(name) + len(content.encode()) for name, content in pairs.items()) > _LONGEST:
        reader.problems.add(path, None, "is longer than 256 KiB", "Keep data in a ConfigMap")
    return pairs


def check_annotation(key: str, value: Any, path: str, problems: Problems) -> None:
    """Note an annotation that the API server would refuse, or that is not the inventory's to set."""
    if not _check_key(key, path, problems, "annotation"):
        return
    if value is None or isinstance(value, Mapping | list | tuple):
        problems.add(path, value, "is not a text", "Write a text in quotes; JSON too is a text here")


def check_label(key: str, value: Any, path: str, problems: Problems) -> None:
    """Note a label that the API server would refuse, or that is not the inventory's to set."""
    if key in _RESERVED_LABELS:
        problems.add(
            path,
            value,
            "is a label that selectors or controllers use",
            "Use a prefix of your own, such as example.org/team",
        )
    elif _check_key(key, path, problems, "label") and (
        value is None
        or isinstance(value, Mapping | list | tuple)
        or not re.fullmatch(names.LABEL_VALUE, to_text(value))
    ):
        problems.add(path, value, "is not a valid label value", "Use at most 63 letters, digits, -, _ and .")


def _check_key(key: str, path: str, problems: Problems, what: str) -> bool:
    if not re.fullmatch(names.LABEL_KEY, key) or len(key.partition("/")[0]) > names.DOMAIN_LENGTH:
        problems.add(
            path, None, f"is not a valid {what} key", "Write [prefix/]name with at most 63 letters, digits, -, _ and ."
        )
        return False
    if key.startswith(_RESERVED):
        problems.add(
            path,
            None,
            f"is a{'n' if what[0] in 'aeiou' else ''} {what} that the platform or Kubernetes sets itself",
            "Use a prefix of your own, such as example.org/team",
        )
        return False
    return True
