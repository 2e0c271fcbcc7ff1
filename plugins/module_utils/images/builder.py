"""Builds what has changed, all at once, then names it, loads it, and writes the map that site.yml reads.

1. Everything that can be refused is: sources, tag, engine, cluster, release tags that are taken.
2. Each image is there under its content's tag: found, or built. A failure ends here; no name has moved yet.
3. The wanted tag leads to it, nodes have it, the map says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ..engine.errors import EngineError
from . import image_map, kind
from .content import digest
from .docker import Docker, Options, detect
from .parallel import each
from .programs import Say, work
from .sources import Build, builds
from .tags import tag

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What is asked for; the options of the module ``images`` are its fields.

    parts: of the catalogue's model. references: image references by name, for repositories. overridden: names whose
    image the user gives by platform_image_overrides: not built, unless their part is chosen. others: references that
    are loaded into kind where the engine has them. own: images of this project that run beside the parts; their tag is
    always their content's, as they are of no commit of the sources. The rest: see roles/images/defaults/main.yml.
    """

    parts: Sequence[Mapping[str, Any]]
    references: Mapping[str, Any]
    overridden: Sequence[str]
    others: Sequence[str]
    source_dir: str
    map: str
    environment: str
    own: Sequence[str] = ()
    chosen: Sequence[str] = ()
    tag_policy: str = "content"
    tag: str = ""
    registry: str = ""
    push: bool = False
    kind_cluster: str = ""
    platforms: Sequence[str] = ()
    cache: str = ""
    attestations: Sequence[str] = ()
    parallel: int = 4
    rebuild: bool = False

    def builds(self) -> list[Build]:
        """What is to be built. Raises EngineError."""

        def left(name: str) -> bool:
            return bool(self.chosen) or name not in self.overridden

        return builds(
            [part for part in self.parts if left(part["image_name"])],
            self.references,
            source_dir=self.source_dir,
            registry=self.registry,
            chosen=self.chosen,
            platforms=self.platforms,
            own=[name for name in self.own if left(name)],
        )


@dataclass
class Image:
    """What became of one build. action: found or built, in check mode what it would be."""

    label: str
    names: tuple[str, ...]
    parts: tuple[str, ...]
    repository: str
    content: str
    tag: str
    action: str = "found"
    digest: str = ""
    seconds: float = 0.0

    @property
    def content_reference(self) -> str:
        """Under which its content is found again, by any machine."""
        return f"{self.repository}:{self.content}"

    @property
    def tagged(self) -> str:
        """With the tag that was asked for."""
        return f"{self.repository}:{self.tag}"

    @property
    def reference(self) -> str:
        """What the map says."""
        return f"{self.tagged}@{self.digest}" if self.digest else self.tagged


@dataclass
class Result:
    """What a run did. references: the whole map."""

    images: list[Image]
    references: dict[str, str]
    changed: bool = False
    loaded: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for the task's result."""
        return {
            "changed": self.changed,
            "images": [{**asdict(image), "reference": image.reference} for image in self.images],
            "references": self.references,
        }


class Builder:
    """One run over a request."""

    def __init__(self, request: Request, say: Say, *, check: bool = False) -> None:
        self._request = request
        self._say = say
        self._check = check
        self._docker = Docker(buildx=False)
        self._nodes: list[str] = []
        self._options = Options(request.cache, tuple(request.attestations), pull=request.rebuild)

    def run(self) -> Result:
        """Raises EngineError; nothing that a cluster or a reader of the map sees has changed then."""
        request = self._request
        found = request.builds()
        _allowed(request, found)
        path = Path(request.map).expanduser()
        before = image_map.read(path)
        wanted = tag(request.tag_policy, request.tag, [build for build in found if build.parts])
        self._docker = detect()
        _possible(request, found, self._docker)
        self._nodes = kind.nodes(request.kind_cluster) if request.kind_cluster else []
        self._explain(found)
        images = [self._image(build, wanted) for build in found]
        pairs = list(zip(found, images, strict=True))
        self._each(lambda pair: self._refuse_taken(pair[1]), pairs)
        begin = time.monotonic()
        self._each(lambda pair: self._ensure(*pair), pairs)
        built = time.monotonic()
        if not self._check:
            self._each(lambda pair: self._name(pair[1]), pairs)
        result = Result(images, self._references(before, images))
        if not self._check:
            if request.kind_cluster:
                result.loaded = self._load(images)
            written = image_map.write(path, result.references)
            result.changed = written or result.loaded or any(image.action == "built" for image in images)
        else:
            result.changed = result.references != before or any(image.action != "found" for image in images)
        result.seconds = {"build": built - begin, "load": time.monotonic() - built}
        return result

    # --- steps --------------------------------------------------------------------------------------------------------

    def _image(self, build: Build, wanted: str) -> Image:
        content = digest(build)
        name = wanted if build.parts else ""
        return Image(build.label, build.names, build.parts, build.repository, content, name or content)

    def _refuse_taken(self, image: Image) -> None:
        """A tag that others may deploy already must not become another image."""
        if not self._request.push or image.tag == image.content or self._request.rebuild:
            return
        there = self._docker.digest(image.tagged)
        if there and there != self._docker.digest(image.content_reference):
            raise EngineError(
                f"{image.tagged} exists in the registry and is another image ({there}).",
                "Choose another tag; images_rebuild=true (REBUILD=1) replaces it.",
            )

    def _ensure(self, build: Build, image: Image) -> None:
        """The image is there under its content's tag: in the registry to be pushed, in the engine to be loaded."""
        begin = time.monotonic()
        request, docker = self._request, self._docker
        engine = not request.push or bool(request.kind_cluster)
        if not request.rebuild:
            here = docker.content(image.content_reference) == image.content
            image.digest = docker.digest(image.content_reference) if request.push else ""
            lacks_engine, lacks_registry = engine and not here, request.push and not image.digest
            if not (lacks_engine or lacks_registry) or (self._check and (here or image.digest)):
                return
            if self._check:
                image.action = "would be built"
                return
            if image.digest:
                docker.pull(image.content_reference, self._say)
                return
            if here and not docker.attests:
                image.digest = docker.push(image.content_reference, self._say)
                return
        elif self._check:
            image.action = "would be built"
            return
        self._build(build, image, engine)
        image.action, image.seconds = "built", time.monotonic() - begin
        self._say(f"{image.label}: built in {image.seconds:.1f} s")

    def _build(self, build: Build, image: Image, local: bool) -> None:
        request, docker = self._request, self._docker
        if build.prepare:
            work(list(build.prepare), f"{build.label}: preparation", self._say)
        names = [image.content_reference]
        if request.cache == "inline":
            names.append(f"{image.repository}:cache")
        if docker.buildx and request.push:
            image.digest = docker.build(build, names, image.content, self._options, push=True, say=self._say)
        if local or not docker.buildx:
            docker.build(build, names[:1], image.content, self._options, push=False, say=self._say)
        if request.push and not docker.buildx:
            image.digest = docker.push(image.content_reference, self._say)

    def _name(self, image: Image) -> None:
        request, docker = self._request, self._docker
        if image.tag == image.content:
            return
        if request.push and docker.digest(image.tagged) != image.digest:
            docker.copy(image.content_reference, image.tagged, self._say)
        if not request.push or request.kind_cluster:
            docker.tag(image.content_reference, image.tagged)

    def _load(self, images: Iterable[Image]) -> bool:
        wanted = [*(image.tagged for image in images), *self._request.others]
        found = {reference: self._docker.identity(reference) for reference in wanted}
        begin = time.monotonic()
        loaded = kind.load(self._nodes, {reference: identity for reference, identity in found.items() if identity})
        if loaded:
            cluster = self._request.kind_cluster
            self._say(f"cluster {cluster}: nodes have the images after {time.monotonic() - begin:.1f} s")
        return loaded

    def _references(self, before: Mapping[str, str], images: Iterable[Image]) -> dict[str, str]:
        request = self._request
        # Nodes of kind get images by file: a digest of a registry tells them nothing.
        new = {
            name: image.tagged if request.kind_cluster else image.reference for image in images for name in image.names
        }
        known = {*(part["image_name"] for part in request.parts), *request.own}
        return image_map.merged(before, new, known)

    # --- helpers ------------------------------------------------------------------------------------------------------

    def _each(self, job: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
        """Side by side; all of them end, then what failed is said together. Raises EngineError."""
        results: list[T] = []
        failures: list[EngineError] = []
        for future in each(job, items, self._request.parallel):
            try:
                results.append(future.result())
            except EngineError as error:
                failures.append(error)
        if failures:
            remedies = dict.fromkeys(failure.remedy for failure in failures if failure.remedy)
            raise EngineError("\n".join(failure.message for failure in failures), "\n".join(remedies))
        return results

    def _explain(self, found: Sequence[Build]) -> None:
        request = self._request
        if request.overridden and not request.chosen:
            self._say(
                f"platform_image_overrides gives the images of {', '.join(sorted(request.overridden))}: not built"
            )
        if not request.source_dir and (parts := [part for build in found for part in build.parts]):
            self._say(f"platform_source_dir is empty: the reference service plays {', '.join(parts)}")
        if request.push and request.attestations and not self._docker.attests:
            self._say(
                "this machine's builder attaches no SBOM and no provenance: "
                + ("its driver stores none" if self._docker.buildx else "buildx is not installed")
            )


def _allowed(request: Request, found: Sequence[Build]) -> None:
    """What needs no engine to be refused."""
    if any(build.parts for build in found) and not request.source_dir and request.environment in {"staging", "prod"}:
        raise EngineError(
            f"platform_source_dir is empty, and {request.environment} is no place for the reference service.",
            "Name the folder of your sources: platform_source_dir, or make images SOURCE=../services.",
        )
    if request.push and not all(_names_registry(build.repository) for build in found):
        raise EngineError(
            "images_push is true, and neither images_registry nor the image's name says where to.",
            "Set images_registry (REGISTRY=registry.example.org/team with make), or images_push: false.",
        )
    if request.push and not request.kind_cluster:
        return
    several = [build.label for build in found if len(build.platforms) > 1]
    if several:
        raise EngineError(
            f"An engine holds an image for one platform, and {', '.join(several)} is built for several.",
            "Push it (images_push: true) and load it nowhere, or name one platform.",
        )


def _names_registry(repository: str) -> bool:
    first, slash, _ = repository.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def _possible(request: Request, found: Sequence[Build], docker: Docker) -> None:
    """What only buildx can do."""
    if docker.buildx:
        return
    several = [build.label for build in found if len(build.platforms) > 1]
    if several or request.cache:
        what = f"several platforms ({', '.join(several)})" if several else f"images_cache: {request.cache}"
        raise EngineError(f"{what} needs buildx, which this machine's docker has not.", "Install docker-buildx.")
