"""Who runs what, for the record of a release. Asked only in runs that change something."""

from __future__ import annotations

import getpass
import json
import os
import socket
import subprocess
from pathlib import Path

import yaml
from ansible.release import __version__ as ansible_version

from ..engine.cluster import Cluster
from ..engine.errors import EngineError
from ..operations.releases import Context
from .variables import Variables

_COLLECTION = Path(__file__).parents[3]
_GIT_SECONDS = 5


def context(variables: Variables, cluster: Cluster, host: str, note: str = "") -> Context:
    """The context of this run."""
    folder = str(variables.get("inventory_dir") or variables.get("playbook_dir") or ".")
    try:
        server = str(cluster.version().get("gitVersion", ""))
    except EngineError:
        server = ""
    return Context(
        by=_by(variables),
        inventory=Path(folder).name,
        cluster=host,
        revision=_revision(folder),
        versions={"collection": _version(), "ansible": str(ansible_version), "server": server},
        note=note,
        origin=variables.origin,
    )


def _by(variables: Variables) -> str:
    """The AWX user and job where there is one (https://docs.ansible.com/projects/awx), else user and host."""
    for prefix in ("awx", "tower"):
        user, job = variables.get(f"{prefix}_user_name"), variables.get(f"{prefix}_job_id")
        if user or job:
            return f"{user or 'somebody'} (AWX job {job})" if job else str(user)
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # an arbitrary user id without an entry
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _revision(folder: str) -> str:
    """``<commit>``, with ``+changes`` where files differ from it; empty outside of git. The inventory's repository."""
    commit = _git(folder, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return ""
    return commit + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: str, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", folder, *arguments], capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version() -> str:
    """From galaxy.yml in a checkout, from MANIFEST.json where the collection was installed."""
    manifest = _COLLECTION / "MANIFEST.json"
    if manifest.is_file():
        return str(json.loads(manifest.read_text())["collection_info"]["version"])
    return str(yaml.safe_load((_COLLECTION / "galaxy.yml").read_text())["version"])
