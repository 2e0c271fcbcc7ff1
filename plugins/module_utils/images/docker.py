"""The container engine through the ``docker`` command: with buildx where it has it, else plain ``docker build``."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..engine.errors import EngineError
from .programs import Say, ask, work
from .sources import Build

CONTENT_LABEL = "multi-agent.platform/content"
ATTESTATIONS = ("provenance", "sbom")
# The registry's or the engine's words for an image that is not there, or not to be seen without a push first.
_ABSENT = re.compile(r"manifest unknown|no such manifest|not found|denied|unauthorized|authorization", re.IGNORECASE)


@dataclass(frozen=True)
class Options:
    """How images are built. cache: "", inline or registry. attestations: of ATTESTATIONS, where the builder can."""

    cache: str = ""
    attestations: tuple[str, ...] = ATTESTATIONS
    pull: bool = False


@dataclass(frozen=True)
class Docker:
    """What this machine's engine can do. Made by ``detect``."""

    buildx: bool
    # Which attestations the builder can attach to what it pushes.
    attests: frozenset[str] = field(default_factory=frozenset)

    # --- building ---------------------------------------------------------------------------------------------------

    def build(
        self, build: Build, references: Iterable[str], content: str, options: Options, *, push: bool, say: Say
    ) -> str:
        """Build and tag; into the engine, or with ``push`` and buildx straight to the registry.

        The digest where it was pushed, else an empty text. Raises EngineError with the end of the log.
        """
        tags = [part for reference in references for part in ("--tag", reference)]
        common = ["--file", str(build.dockerfile), "--label", f"{CONTENT_LABEL}={content}", *tags]
        common += [part for name, value in sorted(build.args.items()) for part in ("--build-arg", f"{name}={value}")]
        common += ["--target", build.target] if build.target else []
        common += ["--platform", ",".join(build.platforms)] if build.platforms else []
        common += ["--pull"] if options.pull else []
        if not self.buildx:
            work(["docker", "build", *common, str(build.context)], f"{build.label}: build", say, _legacy())
            return ""
        with tempfile.TemporaryDirectory(prefix="multi-agent-build.") as folder:
            metadata = Path(folder) / "metadata.json"
            extra = [*self._cache(build, options), *(self._attest(options) if push else ["--provenance=false"])]
            work(
                ["docker", "buildx", "build", "--progress=plain", "--push" if push else "--load",
                 f"--metadata-file={metadata}", *common, *extra, str(build.context)],
                f"{build.label}: build", say,
            )  # fmt: skip
            return str(json.loads(metadata.read_text())["containerimage.digest"]) if push else ""

    def _attest(self, options: Options) -> list[str]:
        wanted = self.attests.intersection(options.attestations)
        return [
            f"--provenance={'mode=max' if 'provenance' in wanted else 'false'}",
            f"--sbom={'sbom' in wanted}".lower(),
        ]

    def _cache(self, build: Build, options: Options) -> list[str]:
        if options.cache == "inline":
            return ["--cache-to=type=inline", f"--cache-from=type=registry,ref={build.repository}:cache"]
        if options.cache == "registry":
            reference = f"type=registry,ref={build.repository}:cache"
            return [f"--cache-to={reference},mode=max", f"--cache-from={reference}"]
        return []

    # --- what there is ----------------------------------------------------------------------------------------------

    def content(self, reference: str) -> str:
        """The content that the engine's image of this name was built from; empty where there is none."""
        return str(self._image(reference).get("Config", {}).get("Labels", {}).get(CONTENT_LABEL, ""))

    def identity(self, reference: str) -> str:
        """The id of the engine's image of this name; empty where it has none."""
        return str(self._image(reference).get("Id", ""))

    def _image(self, reference: str) -> dict[str, Any]:
        done = ask(["docker", "image", "inspect", reference])
        if done.returncode != 0:
            return {}
        image: dict[str, Any] = json.loads(done.stdout)[0]
        image["Config"] = image.get("Config") or {}
        image["Config"]["Labels"] = image["Config"].get("Labels") or {}
        return image

    def digest(self, reference: str) -> str:
        """The digest of an image in its registry, empty where it is not there.

        Raises EngineError where the registry cannot be reached.
        """
        if self.buildx:
            done = ask(["docker", "buildx", "imagetools", "inspect", "--format={{.Manifest.Digest}}", reference])
            answer = done.stdout.strip()
        else:
            done = ask(["docker", "manifest", "inspect", "--verbose", *_insecure(reference), reference], _legacy())
            answer = _descriptor(done.stdout) if done.returncode == 0 else ""
        if done.returncode == 0:
            return answer
        if _ABSENT.search(done.stderr):
            return ""
        raise EngineError(
            f"{reference}: its registry cannot be asked: {_last(done.stderr)}.",
            "Check images_registry, and that this machine reaches it.",
        )

    # --- moving -----------------------------------------------------------------------------------------------------

    def tag(self, source: str, target: str) -> None:
        """Another name for an image of the engine."""
        done = ask(["docker", "tag", source, target])
        if done.returncode != 0:
            raise EngineError(f"{target} cannot be made of {source}: {_last(done.stderr)}.")

    def push(self, reference: str, say: Say) -> str:
        """Push from the engine; the digest."""
        try:
            lines = work(["docker", "push", reference], f"push {reference}", say)
        except EngineError as error:
            raise EngineError(error.message, _login(reference)) from None
        for line in reversed(lines):
            if match := re.search(r"digest: (sha256:[0-9a-f]{64})", line):
                return match[1]
        return self.digest(reference)

    def pull(self, reference: str, say: Say) -> None:
        """Pull into the engine."""
        try:
            work(["docker", "pull", reference], f"pull {reference}", say)
        except EngineError as error:
            raise EngineError(error.message, _login(reference)) from None

    def copy(self, source: str, target: str, say: Say) -> str:
        """Another tag in the registry for what is there; the digest."""
        if self.buildx:
            # As it is: an index around it would have another digest.
            create = ["docker", "buildx", "imagetools", "create", "--prefer-index=false", "--tag", target, source]
            work(create, f"tag {target}", say)
            return self.digest(target)
        if not self.identity(source):
            self.pull(source, say)
        self.tag(source, target)
        return self.push(target, say)


def detect() -> Docker:
    """What this machine has. Raises EngineError where no engine answers."""
    done = ask(["docker", "info", "--format={{json .}}"])
    info: Mapping[str, Any] = json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else {}
    # The client's exit code is 0 in some versions, and the fault a field.
    if done.returncode != 0 or info.get("ServerErrors"):
        why = _last(done.stderr) or "; ".join(info.get("ServerErrors") or ())
        raise EngineError(
            f"No container engine answers: {why}.",
            "Start Docker, or set DOCKER_HOST, and see that this user may use it: docker info",
        )
    if ask(["docker", "buildx", "version"]).returncode != 0:
        return Docker(buildx=False)
    inspected = ask(["docker", "buildx", "inspect"]).stdout
    driver = re.search(r"^Driver:\s*(\S+)", inspected, re.MULTILINE)
    # Attestations need an image store that holds indexes: every driver's but that of the engine's classic store.
    stores_indexes = "containerd" in json.dumps(info.get("DriverStatus") or [])
    if driver is not None and driver[1] == "docker" and not stores_indexes:
        return Docker(buildx=True)
    offered = ask(["docker", "buildx", "build", "--help"]).stdout
    return Docker(buildx=True, attests=frozenset(name for name in ATTESTATIONS if f"--{name}" in offered))


def _legacy() -> dict[str, str]:
    """Old clients hide `docker manifest`, and new ones warn of the classic builder, unless told."""
    return {**os.environ, "DOCKER_CLI_EXPERIMENTAL": "enabled"}


def _insecure(reference: str) -> list[str]:
    """The engine speaks plain HTTP with registries on this machine; this command wants to be told."""
    host = reference.partition("/")[0].partition(":")[0]
    return ["--insecure"] if host in {"localhost", "127.0.0.1"} else []


def _descriptor(text: str) -> str:
    """The digest that `docker manifest inspect --verbose` prints. Of an index it tells none: that is another image."""
    answer = json.loads(text)
    return str(answer["Descriptor"]["digest"]) if isinstance(answer, dict) else "an index"


def _login(reference: str) -> str:
    registry = reference.partition("/")[0]
    return f"Check images_registry, and log in: docker login {registry}"


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else ""
