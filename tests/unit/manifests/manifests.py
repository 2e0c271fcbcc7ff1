"""A rendered platform as tests look at it: objects by kind and name, pods, and what they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce
from operator import getitem
from typing import Any

from tests.golden import rendering

Object = dict[str, Any]
# Where each kind that makes pods has their template.
TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


@dataclass(frozen=True)
class Pod:
    """The pod template of a workload."""

    owner: str
    kind: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: Object

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for c in self.containers for port in c.get("ports", [])}


class Platform:
    """Every object of one case."""

    def __init__(self, name: str, objects: list[Object]) -> None:
        self.name = name
        self.objects = objects

    def of(self, kind: str) -> dict[str, Object]:
        """Name -> object of a kind."""
        return {o["metadata"]["name"]: o for o in self.objects if o["kind"] == kind}

    @property
    def namespace(self) -> str:
        return next(iter(self.of("Namespace")))

    @property
    def pods(self) -> list[Pod]:
        found = []
        for obj in self.objects:
            if path := TEMPLATES.get(obj["kind"]):
                template = reduce(getitem, path, obj)
                metadata = template["metadata"]
                name, annotations = obj["metadata"]["name"], metadata.get("annotations", {})
                found.append(Pod(name, obj["kind"], metadata["labels"], annotations, template["spec"]))
        return found

    def selected(self, labels: dict[str, str]) -> list[Pod]:
        """The pods that a label selector hits."""
        return [pod for pod in self.pods if labels.items() <= pod.labels.items()]

    def keys(self, kind: str, name: str) -> set[str]:
        """Keys of a ConfigMap or Secret."""
        obj = self.of(kind)[name]
        return {*(obj.get("data") or {}), *(obj.get("stringData") or {})}


@cache
def platform(name: str) -> Platform:
    """A case as it is kept."""
    return Platform(name, rendering.load(name))


def strings(value: Any) -> Iterator[str]:
    """Every text in an object, keys included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value
