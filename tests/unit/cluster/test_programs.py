"""How the programs are provided: which way, under which name, once, and going on after a kill."""

import io
import os
import shutil
from pathlib import Path

import pytest

from tools.cluster import build as building
from tools.cluster import programs as subject
from tools.cluster.errors import ClusterError
from tools.cluster.paths import TOOLS, cache_home
from tools.cluster.progress import Progress
from tools.cluster.recipe import PROGRAMS, Versions, build_key

_GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.99.0; exit; fi
while [ "$1" != -o ]; do shift; done
case "$3" in *"$BROKEN"*) echo "undefined: something"; exit 1 ;; esac
echo "$3" >> "$CALLS"
echo "$3" > "$2"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A go that only takes notes, and a cache of its own."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(_GO)
    go.chmod(0o755)
    calls = tmp_path / "calls"
    calls.touch()
    monkeypatch.setenv("PATH", f"{go.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(calls))
    monkeypatch.setenv("BROKEN", "none")
    monkeypatch.delenv(subject.VARIABLE, raising=False)
    return calls


def _ensure() -> tuple[Path, str]:
    said = io.StringIO()
    return subject.ensure_programs(Progress(said)), said.getvalue()


def test_builds_where_go_is_and_says_why(calls: Path) -> None:
    folder, said = _ensure()
    assert folder == cache_home() / "programs" / build_key()
    assert {file.name for file in folder.iterdir()} == {program.name for program in PROGRAMS}
    assert "go1.99.0 is installed" in said
    assert "[1/7] building kube-apiserver" in said


def test_builds_once(calls: Path) -> None:
    _ensure()
    folder, said = _ensure()
    assert said == ""
    assert len(calls.read_text().splitlines()) == len(PROGRAMS)
    assert folder.is_dir()


def test_a_build_that_stopped_goes_on_where_it_was(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "etcd")
    with pytest.raises(ClusterError, match=r"could not build etcd .*\nundefined: something"):
        _ensure()
    monkeypatch.setenv("BROKEN", "none")
    folder, _ = _ensure()
    assert sorted(calls.read_text().splitlines()) == sorted(program.package for program in PROGRAMS)
    assert (folder / "etcd").exists()


def test_downloads_without_go(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(subject, "go_version", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(subject, "download", lambda folder, progress: asked.append(folder))
    folder, said = _ensure()
    assert asked == [folder]
    assert "downloaded once (Go is not installed)" in said


def test_the_variable_decides(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "download", lambda folder, progress: None)
    monkeypatch.setenv(subject.VARIABLE, "download")
    assert "CLUSTER_PROGRAMS asks for it" in _ensure()[1]
    monkeypatch.setenv(subject.VARIABLE, "compile")
    with pytest.raises(ClusterError, match="CLUSTER_PROGRAMS='compile': use auto, build or download"):
        _ensure()


def test_go_version_is_none_without_go() -> None:
    assert building.go_version("/none/such/go") is None


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_the_key_follows_the_content(tmp_path: Path, file: str) -> None:
    for name in ("go.mod", "go.sum"):
        (tmp_path / name).write_text((TOOLS / name).read_text())
    before = build_key(tmp_path)
    assert before == build_key(TOOLS)
    (tmp_path / file).write_text((tmp_path / file).read_text() + "\n// changed\n")
    assert build_key(tmp_path) != before


def test_the_server_is_told_its_version() -> None:
    flags = Versions("v1.2.3", "v3.0.0", "v0.1.0").link_flags()
    assert "version.gitVersion=v1.2.3" in flags
    assert "version.gitMajor=1 " in flags
    assert "version.gitMinor=2 " in flags
