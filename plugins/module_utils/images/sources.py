"""What is to be built: an entry of the catalogue and a folder of sources make a Build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engine.errors import EngineError
from ..platform import images
from ..platform.problems import suggest

REFERENCE = "reference-service"
_OURS = Path(__file__).resolve().parents[3] / "images"


@dataclass(frozen=True)
class Build:
    """One image.

    ``names`` are its keys in the image map, ``parts`` the parts that run it. ``repository`` has no tag.
    ``derived`` are folders of the context that ``prepare``, a command, makes from the rest: they are not hashed.
    """

    label: str
    names: tuple[str, ...]
    parts: tuple[str, ...]
    context: Path
    dockerfile: Path
    repository: str
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    platforms: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()


def builds(
    parts: Iterable[Mapping[str, Any]],
    references: Mapping[str, Any],
    *,
    source_dir: str,
    registry: str,
    chosen: Iterable[str] = (),
    platforms: Iterable[str] = (),
    own: Iterable[str] = (),
) -> list[Build]:
    """The builds of the parts (of the catalogue's model), sorted by name; then those of ``own``.

    references: image references by name, for the repositories. source_dir: empty for the reference service in place of
    every part. registry: put before repositories that name none. own: folders of this project's images/ that run beside
    the parts. chosen: parts and some of ``own``, all where there are none.
    Raises EngineError for parts and folders that there are not, every missing one at once.
    """
    every, ours, asked = list(parts), list(own), list(chosen)
    return [
        *_of_parts(every, _chosen(every, asked, ours), references, source_dir, registry, tuple(platforms)),
        *(
            _own(name, (name,), (), references, registry, tuple(platforms))
            for name in ours
            if name in asked or not asked
        ),
    ]


def _of_parts(
    every: list[Mapping[str, Any]],
    wanted: list[Mapping[str, Any]],
    references: Mapping[str, Any],
    source_dir: str,
    registry: str,
    platforms: tuple[str, ...],
) -> list[Build]:
    if not wanted:
        return []
    if not source_dir:
        played = tuple(sorted({part["image_name"] for part in wanted}))
        return [_own(REFERENCE, played, tuple(sorted(part["name"] for part in wanted)), {}, registry, platforms)]
    root = Path(source_dir).expanduser()
    if not root.is_dir():
        raise EngineError(
            f"platform_source_dir = {source_dir}: there is no such folder.",
            "Name the folder that holds services/<name> and frontend, or leave it empty for the reference service.",
        )
    running: dict[str, list[Mapping[str, Any]]] = {}
    for part in every:
        running.setdefault(part["image_name"], []).append(part)
    names = sorted({part["image_name"] for part in wanted})
    found = [_build(name, running[name], references, root.resolve(), registry, platforms) for name in names]
    _check(found)
    return found


def _chosen(every: list[Mapping[str, Any]], names: list[str], ours: list[str]) -> list[Mapping[str, Any]]:
    """The parts of ``names``, every part where there are none. Raises EngineError for one that there is not."""
    known = {part["name"]: part for part in every} | {part["object"]: part for part in every}
    for name in names:
        if name not in known and name not in ours:
            raise EngineError(
                f"There is no part {name!r} in the catalogue.",
                f"{suggest(name, [*(p['name'] for p in every), *ours])}.",
            )
    return [known[name] for name in names if name not in ours] if names else every


def _build(
    name: str,
    parts: list[Mapping[str, Any]],
    references: Mapping[str, Any],
    root: Path,
    registry: str,
    platforms: tuple[str, ...],
) -> Build:
    # The part that the image is named after says how it is built; one that shares it only runs it.
    owner = next((part for part in parts if part["name"] == name), parts[0])
    how = owner["build"]
    context = root / (how["context"] or ("frontend" if owner["tier"] == "frontend" else f"services/{name}"))
    return Build(
        label=name,
        names=(name,),
        parts=tuple(part["name"] for part in parts),
        context=context,
        dockerfile=context / how["dockerfile"],
        repository=_repository(references.get(name), registry, f"multi-agent/{owner['object']}"),
        args=how["args"],
        target=how["target"],
        platforms=tuple(how["platforms"]) or platforms,
    )


def _own(
    folder: str,
    names: tuple[str, ...],
    parts: tuple[str, ...],
    references: Mapping[str, Any],
    registry: str,
    platforms: tuple[str, ...],
) -> Build:
    """An image of this project, which brings its wheels along first."""
    context = _OURS / folder
    return Build(
        label=folder,
        names=names,
        parts=parts,
        context=context,
        dockerfile=context / "Dockerfile",
        repository=_repository(references.get(folder), registry, f"multi-agent/{folder}"),
        platforms=platforms,
        derived=("wheels",),
        prepare=("make", "--no-print-directory", "-C", str(context), "wheels"),
    )


def _repository(reference: Any, registry: str, otherwise: str) -> str:
    image = images.parse(reference) if isinstance(reference, str) else None
    if image is None:
        image = images.Image("", otherwise, "", "")
    return images.Image(image.registry, image.name, "", "").text(registry)


def _check(found: Iterable[Build]) -> None:
    """Every folder and Dockerfile is there. Raises EngineError that names all that are not."""
    missing = []
    for build in found:
        if not build.context.is_dir():
            missing.append(f"{build.label}: there is no folder {build.context}")
        elif not build.dockerfile.is_file():
            missing.append(f"{build.label}: there is no {build.dockerfile}")
    if missing:
        raise EngineError(
            "What is to be built is not there.\n" + "\n".join(f"- {line}" for line in missing),
            "Correct platform_source_dir, or build.context and build.dockerfile of the part's entry in the catalogue; "
            "images_parts (S=) builds some parts only.",
        )
