"""Where clusters and programs live on disk."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .errors import ClusterError

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

TOOLS = ROOT / "tools"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def cache_home() -> Path:
    """The folder of everything that is worth keeping between checkouts: `$XDG_CACHE_HOME` or `~/.cache`.

    A relative `XDG_CACHE_HOME` is ignored, as the XDG Base Directory Specification asks for.
    """
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = configured if configured.is_absolute() else Path.home() / ".cache"
    return base / "multi-agent-platform"


@dataclass(frozen=True)
class ClusterPaths:
    """The files of one cluster, all below `.cluster/<name>/`, so that deleting the folder deletes its traces."""

    name: str
    clusters: Path = ROOT / ".cluster"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ClusterError(
                f"cluster name {self.name!r}: use 1 to 40 lower case letters, digits and dashes, "
                "with a letter or digit first and last"
            )

    @property
    def home(self) -> Path:
        return self.clusters / self.name

    def clear(self) -> None:
        """Empty the cluster's folder, but keep the folder: it is the lock that the caller holds."""
        for entry in self.home.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    @property
    def kubeconfig(self) -> Path:
        return self.home / "kubeconfig"

    @property
    def state(self) -> Path:
        return self.home / "cluster.json"

    @property
    def kwok(self) -> Path:
        """KWOK_WORKDIR of this cluster."""
        return self.home / "kwok"

    @property
    def runtime(self) -> Path:
        """Where kwokctl keeps the cluster's programs, keys, logs and data."""
        return self.kwok / "clusters" / self.name
