"""Pod Security "restricted" for one pod spec.

Rules: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from typing import Any

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def violations(spec: dict[str, Any]) -> list[str]:
    """What the standard forbids and the pod does."""
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    found += [f"volume {v['name']}" for v in spec.get("volumes", []) if not (set(v) - {"name"}) <= VOLUMES]
    pod = spec.get("securityContext", {})
    if pod.get("sysctls"):
        found.append("sysctls")
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        found += [f"{container['name']}: {what}" for what in _container(container, pod)]
    return found


def _container(container: dict[str, Any], pod: dict[str, Any]) -> list[str]:
    own = container.get("securityContext", {})
    effective = {**pod, **own}
    seccomp = effective.get("seccompProfile", {}).get("type")
    faults = {
        "privileged": bool(own.get("privileged")),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is not False,
        "capabilities not dropped": "ALL" not in own.get("capabilities", {}).get("drop", []),
        "capabilities added": bool(set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}),
        "runAsNonRoot": effective.get("runAsNonRoot") is not True,
        "runAsUser 0": effective.get("runAsUser") == 0,
        "seccompProfile": seccomp not in {"RuntimeDefault", "Localhost"},
        "hostPort": any(port.get("hostPort") for port in container.get("ports", [])),
        "procMount": own.get("procMount", "Default") != "Default",
        "host in a probe or hook": any(
            container.get(probe, {}).get("httpGet", {}).get("host")
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        ),
    }
    return [what for what, fault in faults.items() if fault]
