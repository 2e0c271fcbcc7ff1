"""What the doctor says of inputs of the inventory that name objects of others: sandboxes and Secrets of credentials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..engine.kinds import Kind
from ..engine.manifests import secret_values
from ..platform.credential_references import Reference
from ..platform.quantity import parse
from .cluster_view import NAME

Object = dict[str, Any]

RUNTIME_CLASS = Kind("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", namespaced=False)
# Runs what models wrote.
_UNTRUSTED = "execution"
# Handlers of gVisor, Kata Containers (also under their hypervisors' names) and Firecracker.
_SANDBOX = re.compile(r"gvisor|runsc|kata|firecracker|fc$", re.IGNORECASE)


def sandbox(deployments: Iterable[Object], classes: Iterable[Object]) -> Iterator[tuple[str, str]]:
    """(what, remedy) if the component that runs code of models has no sandbox and the cluster offers one."""
    offered = sorted(c["metadata"]["name"] for c in classes if _SANDBOX.search(str(c.get("handler", ""))))
    for obj in deployments:
        name = (obj["metadata"].get("labels") or {}).get(NAME)
        if name == _UNTRUSTED and offered and not obj["spec"]["template"]["spec"].get("runtimeClassName"):
            yield (
                f"{name} runs code that models wrote, without a sandbox; the cluster has RuntimeClass "
                f"{', '.join(offered)}",
                f"Set platform_services_overrides.{name}.runtime_class: {offered[0]}, and deploy",
            )


def overhead(
    deployments: Iterable[Object], classes: Iterable[Object], most: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """(what, remedy) for what RuntimeClasses add to each pod: the quota counts it, and no input knows it.

    most: name of a Deployment -> the most pods that it may have.
    """
    fixed = {c["metadata"]["name"]: (c.get("overhead") or {}).get("podFixed") or {} for c in classes}
    for obj in deployments:
        runtime = obj["spec"]["template"]["spec"].get("runtimeClassName")
        if amounts := fixed.get(runtime):
            name = obj["metadata"]["name"]
            pods = most.get(name, int(obj["spec"].get("replicas", 1)))
            total = ", ".join(f"{parse(str(a)) * pods} of {r}" for r, a in sorted(amounts.items()))
            yield (
                f"RuntimeClass {runtime} adds to each pod of {name}: {total} for {pods} pods, which the quota counts",
                "See that platform_quota_headroom has room for it",
            )


def references(
    wanted: Iterable[Reference], secrets: Iterable[Object], deployed: str, namespace: str
) -> Iterator[tuple[bool, str, str]]:
    """(whether it hurts, what, remedy) for Secrets of credentials that are missing or not deployed as they are now.

    deployed: name of the platform's own Secret, which has what the last run found.
    """
    by_name = {secret["metadata"]["name"]: secret_values(secret) for secret in secrets}
    for reference in wanted:
        name, values = reference.credential, by_name.get(reference.secret)
        value = (values or {}).get(reference.key)
        if not value:
            what = f"has no value for the key {reference.key}" if values is not None else "does not exist"
            yield (
                True,
                f"Credential {name} comes from Secret {reference.secret} in namespace {namespace}, which {what}",
                f"Restore it; the next run needs it (or take {reference.path} out)",
            )
        elif (before := by_name.get(deployed, {}).get(name)) and before != value:
            yield (
                False,
                f"Secret {reference.secret} has another value of {name} than what is deployed",
                "Deploy it: make deploy",
            )
