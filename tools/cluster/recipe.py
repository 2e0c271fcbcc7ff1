"""Which programs an embedded cluster is made of, in which versions, and how they are built.

The versions are written once, in tools/go.mod.
"""

import hashlib
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import ClusterError
from .paths import TOOLS


@dataclass(frozen=True)
class Program:
    """A program, by the name of its file, and the Go package that it is built from."""

    name: str
    package: str


PROGRAMS = (
    Program("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    Program("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    Program("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    Program("etcd", "go.etcd.io/etcd/server/v3"),
    Program("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    Program("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    Program("kwokctl", "sigs.k8s.io/kwok/cmd/kwokctl"),
)
"""The slowest build first, so that the time of the first step is a fair warning."""


@dataclass(frozen=True)
class Target:
    """The machine that the programs are for, in Go's words."""

    system: str
    architecture: str

    @classmethod
    def here(cls) -> "Target":
        machine = platform.machine().lower()
        return cls(platform.system().lower(), {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine))


@dataclass(frozen=True)
class Versions:
    """What tools/go.mod pins, each with its leading v."""

    kubernetes: str
    etcd: str
    kwok: str

    @classmethod
    def read(cls, tools: Path = TOOLS) -> "Versions":
        text = (tools / "go.mod").read_text()

        def pinned(module: str) -> str:
            found = re.search(rf"^\s*{re.escape(module)} (v\S+)", text, re.MULTILINE)
            if not found:
                raise ClusterError(f"{tools / 'go.mod'} pins no version of {module}: restore the line that requires it")
            return found[1]

        return cls(pinned("k8s.io/kubernetes"), pinned("go.etcd.io/etcd/server/v3"), pinned("sigs.k8s.io/kwok"))

    def link_flags(self) -> str:
        """Without them the server calls itself v0.0.0, and clients that look at the server's version misbehave."""
        major, minor, _ = self.kubernetes.removeprefix("v").split(".")
        stamp = "k8s.io/component-base/version"
        values = {
            f"{stamp}.gitVersion": self.kubernetes,
            f"{stamp}.gitMajor": major,
            f"{stamp}.gitMinor": minor,
            f"{stamp}.gitTreeState": "clean",
            f"{stamp}.buildDate": "2026-01-01T00:00:00Z",
        }
        return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])


def build_key(tools: Path = TOOLS) -> str:
    """Names the content of a build: the same key means the same programs."""
    digest = hashlib.sha256()
    for part in (
        (tools / "go.mod").read_text(),
        (tools / "go.sum").read_text(),
        Versions.read(tools).link_flags(),
        repr(Target.here()),
        repr(PROGRAMS),
    ):
        digest.update(part.encode())
        digest.update(b"\0")
    return f"build-{digest.hexdigest()[:16]}"


def download_key(tools: Path = TOOLS) -> str:
    """Names the content of a set of downloads: official releases never change, so their versions say it all."""
    text = f"{Versions.read(tools)!r} {Target.here()!r} {PROGRAMS!r}"
    return f"download-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
