"""Whether a live object still holds every value that we declare, by meaning and not by letter.

This decides that an object need not be written, so it leans one way: where it cannot tell (a field more in an atomic
list: a default or an addition?), it says no. Then the server's record of our fields is asked (see ``ownership``), and
at last the server decides (an apply that changes nothing writes nothing).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..platform.quantity import QuantityError, parse
from .kinds import BUILT_IN
from .ownership import in_force

INPUT_HASH = "multi-agent.platform/input-hash"

# Lists that the API merges by key (x-kubernetes-list-map-keys), by the name of their field in built-in kinds. The first
# keys that every element has are taken; a Service's ports and a container's ports differ.
_LIST_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "ephemeralContainers": (("name",),),
    "env": (("name",),),
    "volumes": (("name",),),
    "volumeMounts": (("mountPath",),),
    "volumeDevices": (("devicePath",),),
    "imagePullSecrets": (("name",),),
    "hostAliases": (("ip",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "resourceClaims": (("name",),),
    "webhooks": (("name",),),
    "ownerReferences": (("uid",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
}
# Fields whose map the API replaces as a whole (x-kubernetes-map-type: atomic): a key more there is drift too.
_ATOMIC_MAPS = frozenset(
    {"selector", "podSelector", "namespaceSelector", "objectSelector", "labelSelector", "nodeSelector", "preference"}
    | {"fieldRef", "resourceFieldRef", "secretKeyRef", "configMapKeyRef", "parameters", "roleRef", "scaleTargetRef"}
    | {"matchConstraints", "matchResources", "paramRef"}
)
# Kinds with a list that the API replaces as a whole, and merges by key in another kind under the same name.
_BY_RECORD = frozenset({("v1", "ServiceAccount"), ("discovery.k8s.io/v1", "EndpointSlice")})
# What the server fills into keys of list elements.
_KEY_DEFAULTS = {"protocol": "TCP"}
# Fields that hold quantities, or maps of them.
QUANTITIES = frozenset(
    (
        *("limits", "requests", "hard", "default", "defaultRequest", "max", "min", "maxLimitRequestRatio", "capacity"),
        *("podFixed", "sizeLimit", "averageValue", "divisor", "storage", "cpu", "memory", "ephemeral-storage"),
    )
)
# Maps of texts under names that people choose, which may be those of fields.
TEXTS = frozenset({"data", "stringData", "labels", "annotations"})
_MISSING = object()


def input_hash(obj: Mapping[str, Any]) -> str:
    """A digest of what we declare, kept on the object: equal means that no field was added, dropped or changed by us.

    Of a Secret only the names of its keys enter, so that nobody can try guesses against the digest; its values are
    compared with the live ones.
    """
    subject: Any = obj
    if obj.get("kind") == "Secret":
        subject = {**obj, "data": sorted(obj.get("data") or {})}
    text = json.dumps(subject, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def unchanged(desired: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether applying ``desired`` (with its input hash) would change nothing.

    The recorded hash says that the declared fields are the same set as last time, so none has to be removed; the
    comparison says that each still has its value, or else the server's record of our fields says that nobody changed it
    since (a default was filled in, say). Of a kind that the tables above do not describe only that record counts. The
    hash is never trusted alone. A Secret's values are not in it, so of a Secret only the comparison counts.
    """
    recorded = (live["metadata"].get("annotations") or {}).get(INPUT_HASH)
    wanted = (desired["metadata"].get("annotations") or {}).get(INPUT_HASH)
    if recorded is None or recorded != wanted:
        return False
    kind = (desired["apiVersion"], desired["kind"])
    known = kind in BUILT_IN and kind not in _BY_RECORD
    return (known and holds(desired, live)) or (desired["kind"] != "Secret" and in_force(desired, live))


def holds(desired: Any, live: Any, field: str = "", exact: bool = False) -> bool:
    """Whether ``live`` has every value of ``desired``; ``exact``: and nothing beyond."""
    if isinstance(desired, dict):
        return isinstance(live, dict) and _map_holds(desired, live, field, exact or field in _ATOMIC_MAPS)
    if isinstance(desired, list):
        return isinstance(live, list) and _list_holds(desired, live, field, exact)
    if type(desired) is type(live) and desired == live:
        return True
    return field in QUANTITIES and equal_quantities(desired, live)


def _map_holds(desired: Mapping[str, Any], live: Mapping[str, Any], field: str, exact: bool) -> bool:
    # The members of limits, requests, hard ... are quantities whatever their names.
    of_quantities, of_texts = field in QUANTITIES, field in TEXTS
    for key, value in desired.items():
        other = live.get(key, _MISSING)
        # An empty map that is gone may be a default that the server left out, or a peer's empty selector taken away.
        if other is _MISSING:
            return False
        if not (of_quantities and equal_quantities(value, other)) and not holds(
            value, other, "" if of_texts else key, exact
        ):
            return False
    return not exact or all(key in desired for key in live)


def _list_holds(desired: list[Any], live: list[Any], field: str, exact: bool) -> bool:
    keys = None if exact else _keys(field, desired)
    if keys is None:
        # Atomic: ours as a whole, in this order.
        return len(desired) == len(live) and all(
            holds(one, other, field, exact=True) for one, other in zip(desired, live, strict=True)
        )
    by_key = {_key(item, keys): (position, item) for position, item in enumerate(live) if isinstance(item, dict)}
    last = -1
    for item in desired:
        found = by_key.get(_key(item, keys))
        # The order among our elements matters (env may refer to what stands before it).
        if found is None or found[0] < last or not holds(item, found[1], ""):
            return False
        last = found[0]
    return True


def _keys(field: str, items: list[Any]) -> tuple[str, ...] | None:
    for keys in _LIST_KEYS.get(field, ()):
        if all(isinstance(item, dict) and keys[0] in item for item in items):
            return keys
    return None


def _key(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key, _KEY_DEFAULTS.get(key)) for key in keys)


def equal_quantities(one: Any, other: Any) -> bool:
    """Whether both are Kubernetes quantities of the same amount (``0.5`` and ``500m``)."""
    try:
        return parse(one).amount == parse(other).amount
    except QuantityError:
        return False
