"""What a build of images is asked for, from options and variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..engine.errors import EngineError
from ..images.builder import Request
from ..platform.backup import OBJECT
from .variables import Variables

SPEC: dict[str, Any] = {
    "source_dir": {"type": "str", "default": ""},
    "map": {"type": "path", "required": True},
    "parts": {"type": "list", "elements": "str", "default": []},
    "tag_policy": {"type": "str", "choices": ["commit", "content", "given"], "default": "content"},
    "tag": {"type": "str", "default": ""},
    "registry": {"type": "str", "default": ""},
    "push": {"type": "bool", "default": False},
    "kind_cluster": {"type": "str", "default": ""},
    "platforms": {"type": "list", "elements": "str", "default": []},
    "cache": {"type": "str", "choices": ["registry", "inline", ""], "default": ""},
    "attestations": {
        "type": "list",
        "elements": "str",
        "choices": ["provenance", "sbom"],
        "default": ["provenance", "sbom"],
    },
    "parallel": {"type": "int", "default": 4},
    "rebuild": {"type": "bool", "default": False},
}
# Where a task leaves an option out, the variable says it.
FALLBACK = {option: f"images_{option}" for option in SPEC} | {"source_dir": "platform_source_dir"}


def request(args: dict[str, Any], variables: Variables) -> Request:
    """The request of options that were checked; the catalogue is that of the play. Raises EngineError."""
    catalogue = variables.resolve("__platform_catalogue")
    overrides = variables.get("platform_image_overrides") or {}
    backup = catalogue["backup"]
    own = {OBJECT: backup} if backup["enabled"] else {}
    if OBJECT in args["parts"] and not own:
        raise EngineError("There are no backups that an image is for.", "Set platform_backup.enabled to true first.")
    known = {part["image_name"]: part for part in catalogue["parts"]} | own
    given = {name: owner for name, owner in known.items() if overrides.get(name)}
    return Request(
        parts=[_part(part) for part in catalogue["parts"]],
        references={**overrides, **variables.resolve("platform_images")},
        overridden=list(given),
        others=[owner["image"] for owner in [*catalogue["stores"].values(), *given.values()]],
        own=list(own),
        source_dir=str(Path(args["source_dir"]).expanduser().absolute()) if args["source_dir"] else "",
        map=str(Path(args["map"]).absolute()),
        environment=str(variables.resolve("platform_environment")),
        chosen=args["parts"],
        tag_policy=args["tag_policy"],
        tag=args["tag"],
        registry=args["registry"].rstrip("/"),
        push=args["push"],
        kind_cluster=args["kind_cluster"],
        platforms=args["platforms"],
        cache=args["cache"],
        attestations=args["attestations"],
        parallel=args["parallel"],
        rebuild=args["rebuild"],
    )


def _part(part: dict[str, Any]) -> dict[str, Any]:
    return {key: part[key] for key in ("name", "object", "tier", "image_name", "build", "sync")}
