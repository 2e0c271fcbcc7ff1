"""A cluster that somebody else runs: only its kubeconfig is ours, as a copy."""

import os
from pathlib import Path

from .errors import ClusterError
from .kubeconfig import single_context, write_private
from .paths import ClusterPaths
from .progress import Progress
from .state import State, is_complete

KUBECONFIG_VARIABLE = "CLUSTER_KUBECONFIG"
CONTEXT_VARIABLE = "CLUSTER_CONTEXT"


class Existing:
    """`CLUSTER_KUBECONFIG` names the file (default `$KUBECONFIG` or ~/.kube/config), `CLUSTER_CONTEXT` the context."""

    name = "existing"

    def create(self, paths: ClusterPaths, progress: Progress) -> None:
        source = _source()
        text = single_context(source, os.environ.get(CONTEXT_VARIABLE))
        write_private(paths.kubeconfig, text)
        State.write(self.name, paths, complete=True)
        progress.say(f"Cluster {paths.name} is the one that {source} leads to")

    def running(self, paths: ClusterPaths) -> bool:
        """Whether its kubeconfig is here: asking the cluster itself may take a login that is not ours to do."""
        return is_complete(paths) and paths.kubeconfig.exists()

    def delete(self, paths: ClusterPaths, progress: Progress) -> None:
        progress.say(f"Cluster {paths.name} stays where it is: only the copy of its kubeconfig is removed")


def _source() -> Path:
    configured = (
        os.environ.get(KUBECONFIG_VARIABLE) or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    )
    files = [Path(part) for part in configured.split(os.pathsep) if part]
    if len(files) != 1:
        raise ClusterError(f"{configured!r} names {len(files)} kubeconfig files: name one in {KUBECONFIG_VARIABLE}")
    return files[0].expanduser()
