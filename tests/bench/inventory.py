"""Inventories of any size: the catalogue that the platform ships, and generated services beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SHIPPED: dict[str, Any] = yaml.safe_load((ROOT / "roles" / "platform" / "defaults" / "main.yml").read_text())[
    "platform_services"
]
# What differs between services in a real catalogue, in turns: stores (and with them Secrets), images, outside access.
_USES: tuple[list[str], ...] = (["postgres", "nats"], [], ["nats"], [])
_IMAGES = ("tool", "execution", "vector", "model")


def services(count: int) -> dict[str, Any]:
    """``count`` entries: the shipped eight first, then services that call two to three others.

    Calls go to lower numbers only, so that the graph has no cycle, near ones (a call chain) and far ones (shared
    services that many call). Raises ValueError below the shipped number.
    """
    if count < len(SHIPPED):
        raise ValueError(f"{count} services: the shipped catalogue has {len(SHIPPED)}")
    # Two replicas at most: the quota follows the maxima, and pods are not what is measured.
    catalogue = {name: {**entry, "scaling": {"min_replicas": 1, "max_replicas": 2}} for name, entry in SHIPPED.items()}
    for number in range(count - len(SHIPPED)):
        callees = {number - 1, number // 2, number // 7 if number % 3 == 0 else number - 1}
        catalogue[_name(number)] = {
            "port": 4000 + number,
            "image": _IMAGES[number % len(_IMAGES)],
            "calls": sorted(_name(callee) for callee in callees if 0 <= callee < number),
            "uses": _USES[number % len(_USES)],
            "internet": number % 10 == 0,
            "resources": {
                "requests": {"cpu": "20m", "memory": f"{32 + number % 4 * 16}Mi"},
                "limits": {"cpu": "200m", "memory": "256Mi"},
            },
            "scaling": {"min_replicas": 1, "max_replicas": 2},
            "env": {"FEATURE_SET": f"set-{number % 5}", "WORKERS": str(1 + number % 8)},
        }
    return catalogue


def changed_service(count: int) -> str:
    """The part that the change of one service is made to: one in the middle, or a shipped one where there are few."""
    generated = count - len(SHIPPED)
    return _name(generated // 2) if generated else "tool"


def _name(number: int) -> str:
    return f"worker-{number:03d}"


def change(count: int, value: str) -> dict[str, Any]:
    """Overrides that change one service: an environment variable, as a release or a tuning does."""
    return {changed_service(count): {"env": {"TUNING": value}}}


def write(folder: Path, count: int, namespace: str, overrides: dict[str, Any]) -> Path:
    """An inventory of one cluster with ``count`` services; how it is connected to is left to K8S_AUTH_KUBECONFIG."""
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "platform_environment": "local",
        "platform_namespace": namespace,
        "platform_generate_credentials": True,
        "platform_wait": False,
        "platform_services": services(count),
        "platform_services_overrides": overrides,
    }
    group = folder / "group_vars" / "all"
    group.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.yml").write_text("---\nall:\n  hosts:\n    bench:\n")
    (group / "platform.yml").write_text(yaml.safe_dump(variables, explicit_start=True, sort_keys=False))
    return folder
