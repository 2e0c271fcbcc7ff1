"""Container image references: one map, one registry prefix, optional digests.

Grammar: ``[registry/]name[:tag][@sha256:digest]`` of the distribution project's reference package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .problems import Problems

# Where a reference may come from, the strongest first.
VARIABLES = ("platform_image_overrides", "platform_images_built", "platform_images")
_NAME = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REGISTRY = r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::[0-9]+)?|[A-Za-z0-9-]+:[0-9]+|localhost)"
_REFERENCE = re.compile(
    rf"(?:(?P<registry>{_REGISTRY})/)?(?P<name>{_NAME}(?:/{_NAME})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_PREFIX = re.compile(rf"(?:{_REGISTRY}|{_NAME})(?:/{_NAME})*")


@dataclass(frozen=True)
class Image:
    """A parsed reference; registry, tag and digest are empty where the text has none."""

    registry: str
    name: str
    tag: str
    digest: str

    @property
    def version(self) -> str:
        """What tells one version from another: the tag, else the first 12 digits of the digest."""
        return self.tag or self.digest[7:19]

    def text(self, prefix: str = "") -> str:
        """The full reference. The prefix stands before names that say no registry of their own."""
        registry = self.registry or prefix
        return "".join(
            (
                f"{registry}/" if registry else "",
                self.name,
                f":{self.tag}" if self.tag else "",
                f"@{self.digest}" if self.digest else "",
            )
        )


def parse(text: str) -> Image | None:
    """The parts of a reference, None where the text is none."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        return None
    return Image(match["registry"] or "", match["name"], match["tag"] or "", match["digest"] or "")


def read(images: Any, built: Any, overrides: Any, problems: Problems) -> dict[str, Image]:
    """The map name to image: what was built wins over images, overrides win over both; null takes a name out.

    Faults name the variable that the reference came from.
    """
    read_images: dict[str, Image] = {}
    for variable, source in zip(reversed(VARIABLES), (images, built, overrides), strict=True):
        if source is None:
            continue
        if not isinstance(source, Mapping):
            problems.add(variable, source, "is not a dictionary", "Write name: repository:tag pairs")
            continue
        for name, reference in source.items():
            at = f"{variable}.{name}"
            if reference is None:
                read_images.pop(str(name), None)
                continue
            image = parse(reference) if isinstance(reference, str) else None
            if image is None:
                problems.add(
                    at,
                    reference,
                    "is no image reference",
                    "Write repository:tag or repository:tag@sha256:<64 hex digits>",
                )
            elif not image.version:
                problems.add(at, reference, "has neither tag nor digest", f"Pin a version: {reference}:<tag>")
            else:
                read_images[str(name)] = image
    return read_images


def read_prefix(registry: Any, problems: Problems) -> str:
    """The registry prefix without the slash at its end; empty for none."""
    text = "" if registry is None else str(registry).rstrip("/")
    if text and not _PREFIX.fullmatch(text):
        problems.add(
            "platform_image_registry",
            registry,
            "is no registry prefix",
            "Write host[:port][/path] without a scheme, such as registry.example.org/mirror",
        )
        return ""
    return text
