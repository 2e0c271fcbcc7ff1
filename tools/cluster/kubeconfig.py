"""Reads and writes kubeconfig files."""

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from .errors import ClusterError

_EMBEDDED = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}
"""Fields that name a file, and the field that holds the file's content instead."""


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read; it appears whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
    unfinished.replace(file)


def single_context(source: Path, context: str | None, name: str | None = None) -> str:
    """A kubeconfig with one context of `source` (default: its current one), complete in itself, renamed if asked.

    Raises ClusterError when the file or the context is not there.
    """
    config = _load(source)
    wanted: str = context or config.get("current-context") or ""
    names = [entry["name"] for entry in config.get("contexts") or []]
    if wanted not in names:
        raise ClusterError(f"{source} has no context {wanted!r}: it has {', '.join(names) or 'none'}")
    chosen = _entry(config, "contexts", wanted)["context"]
    cluster = dict(_entry(config, "clusters", chosen["cluster"])["cluster"])
    user = dict(_entry(config, "users", chosen["user"])["user"])
    name = name or wanted
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": {**chosen, "cluster": name, "user": name}}],
            "clusters": [{"name": name, "cluster": _embed_files(cluster, source)}],
            "users": [{"name": name, "user": _embed_files(user, source)}],
        },
        sort_keys=False,
    )


def _load(source: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(source.read_text())
    except OSError as error:
        raise ClusterError(f"cannot read the kubeconfig {source}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ClusterError(f"{source} is no YAML file, so no kubeconfig either") from error
    if not isinstance(config, dict):
        raise ClusterError(f"{source} is no kubeconfig: it holds no mapping")
    return config


def _entry(config: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    for entry in config.get(section) or []:
        if entry.get("name") == name:
            return dict(entry)
    raise ClusterError(f"the kubeconfig has no entry {name!r} under {section}")


def _embed_files(entry: dict[str, Any], source: Path) -> dict[str, Any]:
    """Replace each file reference, which kubectl resolves against the kubeconfig's folder, by the file's content."""
    result = dict(entry)
    for by_file, by_content in _EMBEDDED.items():
        if by_file in result:
            file = source.parent / result.pop(by_file)
            try:
                result[by_content] = base64.b64encode(file.read_bytes()).decode()
            except OSError as error:
                raise ClusterError(f"{source} names the file {file} in {by_file}: {error.strerror}") from error
    return result
