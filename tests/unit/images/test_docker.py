"""What the docker command is asked, with buildx and without."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.images import docker
from ansible_collections.multi_agent.platform.plugins.module_utils.images.docker import Docker, Options
from ansible_collections.multi_agent.platform.plugins.module_utils.images.sources import Build

DIGEST = f"sha256:{'1' * 64}"


class Programs:
    """Answers as programs would, and keeps what they were asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[int, str, str]]) -> None:
        self.asked: list[str] = []
        self._answers = answers
        monkeypatch.setattr(docker, "ask", self.ask)
        monkeypatch.setattr(docker, "work", self.work)

    def ask(self, command: Sequence[str], env: Any = None) -> subprocess.CompletedProcess[str]:
        text = " ".join(command)
        self.asked.append(text)
        code, out, err = next(
            (answer for start, answer in self._answers.items() if text.startswith(start)), (1, "", "")
        )
        return subprocess.CompletedProcess(command, code, out, err)

    def work(self, command: Sequence[str], what: str, say: Any, env: Any = None) -> list[str]:
        self.asked.append(" ".join(command))
        for word in command:
            if word.startswith("--metadata-file="):
                Path(word.partition("=")[2]).write_text(json.dumps({"containerimage.digest": DIGEST}))
        return [f"1.0: digest: {DIGEST} size: 1"]


def info(**more: Any) -> tuple[int, str, str]:
    return 0, json.dumps(more), ""


@pytest.mark.parametrize(
    ("driver", "store", "attests"),
    [
        ("docker", [["Backing Filesystem", "extfs"]], set()),
        ("docker", [["driver-type", "io.containerd.snapshotter.v1"]], {"provenance", "sbom"}),
        ("docker-container", [], {"provenance", "sbom"}),
    ],
)
def test_attestations_are_offered_where_the_driver_stores_them(
    monkeypatch: pytest.MonkeyPatch, driver: str, store: list[list[str]], attests: set[str]
) -> None:
    Programs(
        monkeypatch,
        {
            "docker info": info(DriverStatus=store),
            "docker buildx version": (0, "", ""),
            "docker buildx inspect": (0, f"Name: x\nDriver:   {driver}\n", ""),
            "docker buildx build --help": (0, "--provenance string\n--sbom string\n", ""),
        },
    )
    assert docker.detect() == Docker(buildx=True, attests=frozenset(attests))


def test_plain_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    Programs(monkeypatch, {"docker info": info()})
    assert docker.detect() == Docker(buildx=False)


@pytest.mark.parametrize(
    "answer",
    [(1, "", "Cannot connect to the Docker daemon"), info(ServerErrors=["Cannot connect to the Docker daemon"])],
    ids=["exit code", "field"],
)
def test_an_engine_that_is_away(monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str, str]) -> None:
    Programs(monkeypatch, {"docker info": answer})
    with pytest.raises(EngineError, match="No container engine answers: Cannot connect"):
        docker.detect()


def test_a_push_with_buildx(monkeypatch: pytest.MonkeyPatch, build: Callable[..., Build]) -> None:
    programs = Programs(monkeypatch, {})
    made = build(args={"B": "2", "A": "1"}, target="run", platforms=("linux/amd64", "linux/arm64"))
    engine = Docker(buildx=True, attests=frozenset({"provenance", "sbom"}))
    options = Options(cache="registry", attestations=("provenance", "sbom"), pull=True)
    assert engine.build(made, ["r/a:1"], "abc", options, push=True, say=print) == DIGEST
    (command,) = programs.asked
    for part in (
        "docker buildx build --progress=plain --push",
        "--label multi-agent.platform/content=abc --tag r/a:1 --build-arg A=1 --build-arg B=2 --target run",
        "--platform linux/amd64,linux/arm64 --pull",
        "--cache-to=type=registry,ref=multi-agent/agent-service:cache,mode=max",
        "--provenance=mode=max --sbom=true",
    ):
        assert part in command


def test_what_is_not_wanted_or_not_offered_is_switched_off(
    monkeypatch: pytest.MonkeyPatch, build: Callable[..., Build]
) -> None:
    programs = Programs(monkeypatch, {})
    offers_all = Docker(buildx=True, attests=frozenset({"provenance", "sbom"}))
    offers_all.build(build(), ["a:1"], "abc", Options(attestations=("provenance",)), push=True, say=print)
    Docker(buildx=True).build(build(), ["a:1"], "abc", Options(), push=True, say=print)
    Docker(buildx=True).build(build(), ["a:1"], "abc", Options(), push=False, say=print)
    assert "--provenance=mode=max --sbom=false" in programs.asked[0]
    assert "--provenance=false --sbom=false" in programs.asked[1]
    assert "--load" in programs.asked[2]
    assert "--sbom" not in programs.asked[2]


def test_a_build_without_buildx(monkeypatch: pytest.MonkeyPatch, build: Callable[..., Build]) -> None:
    programs = Programs(monkeypatch, {})
    assert Docker(buildx=False).build(build(), ["a:1"], "abc", Options(), push=False, say=print) == ""
    (command,) = programs.asked
    assert command.startswith("docker build --file ")
    assert command.endswith(str(build().context))
    assert Docker(buildx=False).push("a:1", print) == DIGEST


@pytest.mark.parametrize(
    "said",
    [
        "no such manifest: r/a:1",
        "manifest unknown",
        "ERROR: r/a:1: not found",
        "denied: requested access to the resource is denied",
        "unauthorized: authentication required",
    ],
)
def test_an_image_that_is_not_in_the_registry(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    Programs(monkeypatch, {"docker manifest inspect": (1, "", said)})
    assert Docker(buildx=False).digest("r/a:1") == ""


def test_a_registry_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    Programs(monkeypatch, {"docker manifest inspect": (1, "", "dial tcp 10.0.0.1:443: connection refused")})
    with pytest.raises(EngineError, match=r"r/a:1: its registry cannot be asked: dial tcp .* connection refused"):
        Docker(buildx=False).digest("r/a:1")


@pytest.mark.parametrize(
    ("answer", "digest"),
    [({"Descriptor": {"digest": DIGEST}}, DIGEST), ([{"Descriptor": {"digest": DIGEST}}], "an index")],
)
def test_the_digest_of_an_image(monkeypatch: pytest.MonkeyPatch, answer: Any, digest: str) -> None:
    Programs(monkeypatch, {"docker manifest inspect": (0, json.dumps(answer), "")})
    assert Docker(buildx=False).digest("r/a:1") == digest
