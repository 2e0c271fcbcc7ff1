"""A cluster of containers made by kind: real pods, real network, real volumes. Needs Docker (or podman) and kind."""

import os
import subprocess

from .errors import ClusterError
from .paths import ClusterPaths
from .progress import Progress
from .state import State

IMAGE_VARIABLE = "CLUSTER_KIND_IMAGE"
CONFIG_VARIABLE = "CLUSTER_KIND_CONFIG"


class Kind:
    """`CLUSTER_KIND_IMAGE` names the node image, `CLUSTER_KIND_CONFIG` kind's own configuration file."""

    name = "kind"

    def create(self, paths: ClusterPaths, progress: Progress) -> None:
        if paths.name in self._clusters():
            if self.running(paths):
                progress.say(f"Cluster {paths.name} is running")
                return
            progress.say(f"Cluster {paths.name} does not answer: making it again")
            self.delete(paths, progress)
        State.write(self.name, paths, complete=False)
        options = [
            part
            for flag, variable in (("--image", IMAGE_VARIABLE), ("--config", CONFIG_VARIABLE))
            if os.environ.get(variable)
            for part in (flag, os.environ[variable])
        ]
        with progress.step(1, 1, f"kind cluster {paths.name}"):
            _kind(
                "create",
                "cluster",
                "--name",
                paths.name,
                "--kubeconfig",
                str(paths.kubeconfig),
                "--wait",
                "180s",
                *options,
            )
        paths.kubeconfig.chmod(0o600)
        State.write(self.name, paths, complete=True)

    def running(self, paths: ClusterPaths) -> bool:
        if not paths.kubeconfig.exists():
            return False
        node = f"{paths.name}-control-plane"
        answer = subprocess.run(
            [os.environ.get("KIND_EXPERIMENTAL_PROVIDER", "docker"), "exec", node,
             "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "--raw", "/readyz"],
            capture_output=True, check=False,
        )  # fmt: skip
        return answer.returncode == 0

    def delete(self, paths: ClusterPaths, progress: Progress) -> None:
        progress.say(f"Stopping cluster {paths.name}")
        _kind("delete", "cluster", "--name", paths.name, "--kubeconfig", str(paths.kubeconfig))

    def _clusters(self) -> list[str]:
        return _kind("get", "clusters").split()


def _kind(*arguments: str) -> str:
    try:
        done = subprocess.run(["kind", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ClusterError(
            "kind is not installed: see https://kind.sigs.k8s.io, or use CLUSTER_PROVIDER=embedded"
        ) from error
    if done.returncode != 0:
        raise ClusterError(f"kind {' '.join(arguments[:2])} failed:\n{done.stderr.strip()}")
    return done.stdout
