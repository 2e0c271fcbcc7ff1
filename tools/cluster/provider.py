"""What every provider of a cluster can do."""

from typing import Protocol

from .paths import ClusterPaths
from .progress import Progress


class Provider(Protocol):
    """Three verbs; each may be repeated, and each finishes what a killed run left half done."""

    name: str

    def create(self, paths: ClusterPaths, progress: Progress) -> None:
        """Afterwards the cluster answers, and `paths.kubeconfig` leads to it. Changes nothing where that is so."""

    def running(self, paths: ClusterPaths) -> bool:
        """Whether the cluster answers now."""

    def delete(self, paths: ClusterPaths, progress: Progress) -> None:
        """Afterwards nothing of the cluster is left: no process, no port, no file but those in `paths.home`."""
