"""Whether the definitions of other projects' kinds, which the platform's manifests use, are recent enough for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]

# What roles/ingress writes: name of the definition -> version.
USED = {"httproutes.gateway.networking.k8s.io": "v1", "certificates.cert-manager.io": "v1"}
# https://gateway-api.sigs.k8s.io/guides/crd-management/
_BUNDLE = "gateway.networking.k8s.io/bundle-version"
# Time limits of routes are in the standard channel since then (GEP-1742).
_LEAST_BUNDLE = (1, 2)


def examine(definition: Object) -> Iterator[tuple[bool, str, str]]:
    """Whether it hurts already, what is wrong with one CustomResourceDefinition of `USED`, and what to do."""
    name = definition["metadata"]["name"]
    wanted = USED[name]
    version = next((v for v in definition["spec"]["versions"] if v["name"] == wanted and v.get("served")), None)
    if version is None:
        yield True, f"{name} is there, but not in the version {wanted}, which manifests use", _renew(name)
    elif version.get("deprecated"):
        yield False, f"{name} calls its version {wanted} deprecated, which manifests use", "Look for a newer release"
    bundle = str((definition["metadata"].get("annotations") or {}).get(_BUNDLE, ""))
    match = re.match(r"v(\d+)\.(\d+)", bundle)
    if match and (int(match[1]), int(match[2])) < _LEAST_BUNDLE:
        least = ".".join(map(str, _LEAST_BUNDLE))
        yield True, f"The cluster has the Gateway API {bundle}; time limits of routes need {least}", _renew(name)


def _renew(name: str) -> str:
    return f"Install the present definitions of {name.partition('.')[2]}"
