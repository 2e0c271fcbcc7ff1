"""Where the pods of a component or store run: node selector, tolerations and affinity, checked as Kubernetes would."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import names, specs
from .problems import Problems
from .reader import Reader, to_text

KEYS = ("node_selector", "tolerations", "affinity")
_HINTS = {
    "nodeSelector": 'Did you mean "node_selector"',
    "toleration": 'Did you mean "tolerations"',
    "nodeAffinity": "Write it under affinity",
    "podAffinity": "Write it under affinity",
    "podAntiAffinity": "Write it under affinity",
    "topologySpreadConstraints": "Pods are spread over zones and nodes already; remove it",
}

Options = dict[str, dict[str, Any]]
_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)


def _dict(options: Options, **more: Any) -> dict[str, Any]:
    return {"type": "dict", "options": options, **more}


def _list(options: Options, **more: Any) -> dict[str, Any]:
    return {"type": "list", "elements": "dict", "options": options, **more}


_NAMES = {"type": "list", "elements": "str"}
_TOLERATION: Options = {
    "key": {"type": "str"},
    "operator": {"type": "str", "choices": ["Exists", "Equal"]},
    "value": {"type": "str"},
    "effect": {"type": "str", "choices": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
    "tolerationSeconds": {"type": "int"},
}


def _expressions(*operators: str) -> dict[str, Any]:
    return _list(
        {
            "key": {"type": "str", "required": True},
            "operator": {"type": "str", "choices": list(operators), "required": True},
            "values": _NAMES,
        }
    )


_SETS = ("In", "NotIn", "Exists", "DoesNotExist")
_NODES: Options = {"matchExpressions": _expressions(*_SETS, "Gt", "Lt"), "matchFields": _expressions("In", "NotIn")}
_SELECTOR = _dict({"matchLabels": {"type": "dict"}, "matchExpressions": _expressions(*_SETS)})
_PODS: Options = {
    "labelSelector": _SELECTOR,
    "topologyKey": {"type": "str", "required": True},
    "namespaces": _NAMES,
    "namespaceSelector": _SELECTOR,
    "matchLabelKeys": _NAMES,
    "mismatchLabelKeys": _NAMES,
}
_WEIGHT = {"type": "int", "required": True}
_OF_PODS = _dict(
    {
        _REQUIRED: _list(_PODS),
        _PREFERRED: _list({"weight": _WEIGHT, "podAffinityTerm": _dict(_PODS, required=True)}),
    }
)
# https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#scheduling
_AFFINITY: Options = {
    "nodeAffinity": _dict(
        {
            _REQUIRED: _dict({"nodeSelectorTerms": _list(_NODES, required=True)}),
            _PREFERRED: _list({"weight": _WEIGHT, "preference": _dict(_NODES, required=True)}),
        }
    ),
    "podAffinity": _OF_PODS,
    "podAntiAffinity": _OF_PODS,
}


def read(reader: Reader) -> dict[str, Any]:
    """{node_selector, tolerations, affinity}, each empty if it is not given; the last two as a pod spec has them."""
    placement = reader.nested("placement", KEYS, _HINTS)
    problems = reader.problems
    tolerations = _checked(placement, "tolerations", {"type": "list", "elements": "dict", "options": _TOLERATION}, [])
    for index, toleration in enumerate(tolerations if isinstance(tolerations, list) else []):
        if isinstance(toleration, Mapping):
            _check_toleration(toleration, f"{placement.at('tolerations')}[{index}]", problems)
    affinity = _checked(placement, "affinity", _dict(_AFFINITY), {})
    if isinstance(affinity, Mapping):
        _check_weights(affinity, placement.at("affinity"), problems)
    return {"node_selector": _node_selector(placement, problems), "tolerations": tolerations, "affinity": affinity}


def _node_selector(placement: Reader, problems: Problems) -> dict[str, str]:
    value, path = placement.raw("node_selector", {}), placement.at("node_selector")
    if not isinstance(value, Mapping):
        problems.add(path, value, "is not a dictionary", "Write label: value pairs of nodes")
        return {}
    for key, content in value.items():
        if not re.fullmatch(names.LABEL_KEY, str(key)):
            problems.add(f"{path}.{key}", content, "is not a valid label key", "Write a label of your nodes")
        elif isinstance(content, dict | list) or not re.fullmatch(names.LABEL_VALUE, to_text(content)):
            problems.add(
                f"{path}.{key}", content, "is not a valid label value", "Use at most 63 letters, digits, -, _, ."
            )
    return {str(key): to_text(content) for key, content in value.items()}


def _checked(placement: Reader, key: str, option: Mapping[str, Any], default: Any) -> Any:
    value = placement.raw(key)
    if value is None:
        return default
    return _compact(specs.check_value(placement.at(key), _as_text(value), option, placement.problems))


def _as_text(value: Any) -> Any:
    """``value`` with true and false as the words that labels and taints hold."""
    if isinstance(value, Mapping):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(item) for item in value]
    return to_text(value) if isinstance(value, bool) else value


def _compact(value: Any) -> Any:
    """``value`` without the keys that were not given."""
    if isinstance(value, Mapping):
        return {key: _compact(item) for key, item in value.items() if item is not None}
    return [_compact(item) for item in value] if isinstance(value, list) else value


def _check_toleration(toleration: Mapping[str, Any], path: str, problems: Problems) -> None:
    operator = toleration.get("operator", "Equal")
    if operator == "Exists" and toleration.get("value"):
        problems.add(f"{path}.value", toleration["value"], "is set, and operator is Exists", "Remove it, or use Equal")
    if operator == "Equal" and not toleration.get("key"):
        problems.add(
            f"{path}.key", None, "is missing", "Name the taint, or set operator: Exists to tolerate every taint"
        )
    if "tolerationSeconds" in toleration and toleration.get("effect") != "NoExecute":
        problems.add(
            f"{path}.tolerationSeconds",
            toleration["tolerationSeconds"],
            "counts for the effect NoExecute only",
            "Set effect: NoExecute, or remove it",
        )


def _check_weights(affinity: Mapping[str, Any], path: str, problems: Problems) -> None:
    for kind, rules in affinity.items():
        preferred = rules.get(_PREFERRED) if isinstance(rules, Mapping) else None
        for index, term in enumerate(preferred if isinstance(preferred, list) else []):
            weight = term.get("weight") if isinstance(term, Mapping) else None
            if isinstance(weight, int) and not 1 <= weight <= 100:
                problems.add(
                    f"{path}.{kind}.{_PREFERRED}[{index}].weight", weight, "is outside 1 to 100", "Choose one inside"
                )
