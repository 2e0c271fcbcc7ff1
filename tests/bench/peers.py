"""The tools that are compared, each as its users would call it: without waiting, on the same manifests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from tools.cluster.paths import cache_home
from tools.cluster.recipe import build_key, download_key

from .inventory import ROOT
from .manifests import Prepared

FRESH, NOOP, CHANGE, PLAN, READY = "fresh", "noop", "change", "plan", "ready"
INSTALL = "install"
OPERATIONS = {
    FRESH: "into an empty cluster",
    NOOP: "no change",
    CHANGE: "one service changed",
    PLAN: "check mode, one service would change",
    READY: "into an empty cluster, until ready",
}
PLAYBOOKS = Path(__file__).parent / "playbooks"
LOOP_AT_MOST = 8


class Tool(ABC):
    """One way to bring manifests into a cluster."""

    name: str
    # Each tool has a platform of its own, all in one cluster, so that runs can take turns.
    namespace: str
    operations: frozenset[str] = frozenset({FRESH, NOOP, CHANGE, PLAN})
    # A tool that takes minutes a run leaves the later rounds to the others.
    rounds_at_most: int = sys.maxsize

    @abstractmethod
    def missing(self) -> str:
        """What this machine lacks for it; empty where it can run."""

    @abstractmethod
    def command(self, operation: str, prepared: Prepared) -> list[str]:
        """The command line."""

    @abstractmethod
    def version(self) -> str:
        """In its own words."""

    def takes_part(self, operation: str, services: int) -> bool:
        del services
        return operation in self.operations

    def good(self, operation: str, status: int, output: str) -> bool:
        """Whether the command says what such a run should say; what the cluster holds is looked at besides."""
        del operation, output
        return status == 0


class Project(Tool):
    name = "this project"
    namespace = "bench-project"
    operations = frozenset(OPERATIONS)

    def missing(self) -> str:
        return ""

    def command(self, operation: str, prepared: Prepared) -> list[str]:
        playbook = "playbooks/plan.yml" if operation == PLAN else "site.yml"
        wait = ["-e", "platform_wait=true"] if operation == READY else []
        return [_ansible(), str(ROOT / playbook), "-i", str(prepared.inventory), *wait]

    def version(self) -> str:
        return _first_line([_ansible(), "--version"])

    def good(self, operation: str, status: int, output: str) -> bool:
        changed = re.search(r"changed=(\d+)", output)
        return status == 0 and changed is not None and (changed[1] == "0") == (operation == NOOP)


class Kubectl(Tool):
    name = "kubectl apply --server-side"
    namespace = "bench-kubectl"
    operations = frozenset({FRESH, NOOP, CHANGE, READY})

    def __init__(self, program: str) -> None:
        self._program = program

    def missing(self) -> str:
        return "" if self._program else "kubectl (in the project's program cache or on PATH)"

    def command(self, operation: str, prepared: Prepared) -> list[str]:
        apply = [self._program, "apply", "--server-side", "-f", str(prepared.file)]
        if operation != READY:
            return apply
        wait = [self._program, "wait", "-n", self.namespace, "--all", "--timeout=600s"]
        steps = [
            apply,
            [*wait, "statefulset", "--for=jsonpath={.status.readyReplicas}=1"],
            [*wait, "job", "--for=condition=Complete"],
            [*wait, "deployment", "--for=condition=Available"],
        ]
        return ["sh", "-c", " && ".join(" ".join(f"'{word}'" for word in step) for step in steps)]

    def version(self) -> str:
        return _first_line([self._program, "version", "--client"])


class KubectlDiff(Kubectl):
    name = "kubectl diff --server-side"
    operations = frozenset({PLAN})

    def missing(self) -> str:
        return super().missing() or ("" if shutil.which("diff") else "diff")

    def command(self, operation: str, prepared: Prepared) -> list[str]:
        if operation == INSTALL:
            return super().command(operation, prepared)
        return [self._program, "diff", "--server-side", "-f", str(prepared.file)]

    def good(self, operation: str, status: int, output: str) -> bool:
        return status == 1 and "TUNING" in output


class Helm(Tool):
    name = "helm upgrade --install"
    namespace = "bench-helm"

    def __init__(self, program: str) -> None:
        self._program = program

    def missing(self) -> str:
        if not self._program:
            return "helm (in the project's program cache or on PATH)"
        return "" if re.match(r"v4\.", self.version()) else f"Helm 4 (this is {self.version()})"

    def command(self, operation: str, prepared: Prepared) -> list[str]:
        # The release is kept in a namespace that exists, since the chart brings the platform's own.
        plan = ["--dry-run=server"] if operation == PLAN else []
        return [
            self._program,
            "upgrade",
            "--install",
            self.namespace,
            str(prepared.chart),
            "--namespace",
            "default",
            *plan,
        ]

    def version(self) -> str:
        return _first_line([self._program, "version", "--template", "{{.Version}}"])


class CoreList(Tool):
    """kubernetes.core.k8s, one task that gets the whole file."""

    name = "kubernetes.core.k8s, one list"
    namespace = "bench-list"
    playbook = "k8s-list.yml"

    def missing(self) -> str:
        found = subprocess.run(
            [sys.executable, "-c", "import ansible_collections.kubernetes.core"], capture_output=True, check=False
        )
        return "the collection kubernetes.core" if found.returncode else ""

    def command(self, operation: str, prepared: Prepared) -> list[str]:
        plan = ["--check", "--diff"] if operation == PLAN else []
        # An inventory of one name: the catalogue is nothing that this playbook would have to read.
        variables = json.dumps({"manifests": str(prepared.file), "ansible_python_interpreter": sys.executable})
        return [_ansible(), str(PLAYBOOKS / self.playbook), "-i", "bench,", "-c", "local", "-e", variables, *plan]

    def version(self) -> str:
        return _first_line(
            [sys.executable, "-c", "import json, ansible_collections.kubernetes.core as c;"
             "print(json.load(open(c.__path__[0] + '/MANIFEST.json'))['collection_info']['version'])"]
        )  # fmt: skip

    def good(self, operation: str, status: int, output: str) -> bool:
        changed = re.search(r"changed=(\d+)", output)
        return status == 0 and changed is not None and (changed[1] == "0") == (operation == NOOP)


class CoreLoop(CoreList):
    """kubernetes.core.k8s, an item an object, as most roles are written."""

    name = "kubernetes.core.k8s, loop"
    namespace = "bench-loop"
    playbook = "k8s-loop.yml"
    rounds_at_most = 2

    def takes_part(self, operation: str, services: int) -> bool:
        return super().takes_part(operation, services) and services <= LOOP_AT_MOST


def every(kubectl: str) -> list[Tool]:
    """All tools, this project first."""
    return [Project(), Kubectl(kubectl), KubectlDiff(kubectl), Helm(find("helm")), CoreList(), CoreLoop()]


def find(program: str) -> str:
    """A program in the project's cache, which has the cluster's version, else on PATH; empty where there is none."""
    caches = [cache_home() / "programs" / key for key in (build_key(), download_key())]
    cached = [shutil.which(program, path=str(cache)) for cache in caches]
    places: Iterable[str | None] = [*cached, shutil.which(program)]
    return next((place for place in places if place), "")


def _ansible() -> str:
    return str(Path(sys.executable).with_name("ansible-playbook"))


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return next(iter(done.stdout.splitlines()), "unknown").strip()
