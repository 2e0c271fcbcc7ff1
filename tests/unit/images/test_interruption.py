"""Ctrl-C while programs run side by side: no other begins, and nothing is left of them."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.images import kind, programs
from ansible_collections.multi_agent.platform.plugins.module_utils.images.builder import Builder, Request
from ansible_collections.multi_agent.platform.plugins.module_utils.images.parallel import each
from ansible_collections.multi_agent.platform.plugins.module_utils.images.programs import ask, work

from .test_archive import saved

PARTS = 8
PARALLEL = 4


@pytest.fixture
def builder() -> Builder:
    request = Request([], {}, [], [], source_dir="", map="", environment="local", parallel=PARALLEL)
    return Builder(request, lambda _line: None)


def interrupted(what: Callable[[], object], when: Callable[[], bool]) -> None:
    """``what`` is interrupted by SIGINT, as this process would be, and ends by that soon."""
    over = threading.Event()

    def interrupt() -> None:
        while not over.wait(0.02):
            if when():
                os.kill(os.getpid(), signal.SIGINT)
                return

    watcher = threading.Thread(target=interrupt)
    begin = time.monotonic()
    watcher.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            what()
    finally:
        over.set()
        watcher.join()
    assert time.monotonic() - begin < 30


def pids(folder: Path) -> list[int]:
    """Of all processes that the programs of a test have begun."""
    return [int(file.read_text()) for file in folder.glob("*.pid") if file.read_text().strip()]


def alive(pid: int) -> bool:
    state = ask(["ps", "-o", "stat=", "-p", str(pid)]).stdout.strip()
    return bool(state) and not state.startswith("Z")


def long(folder: Path, name: object, first: str = "") -> list[str]:
    """A program of two processes that share its output, as docker and its plugin do."""
    return ["sh", "-c", f"{first} sleep 600 & echo $! > {folder}/child-{name}.pid; echo $$ > {folder}/{name}.pid; wait"]


def test_what_is_queued_does_not_begin_and_what_runs_is_ended(builder: Builder, tmp_path: Path) -> None:
    def job(number: int) -> None:
        work(long(tmp_path, number), "build", lambda _line: None)

    interrupted(lambda: builder._each(job, range(PARTS)), lambda: len(pids(tmp_path)) == 2 * PARALLEL)
    assert len(pids(tmp_path)) == 2 * PARALLEL
    assert not [pid for pid in pids(tmp_path) if alive(pid)]


def test_interrupt_while_jobs_are_handed_over_ends_those_that_run(builder: Builder, tmp_path: Path) -> None:
    def job(number: int) -> None:
        work(long(tmp_path, number), "build", lambda _line: None)

    def numbers() -> Iterator[int]:
        yield from range(PARALLEL)
        while len(pids(tmp_path)) < 2 * PARALLEL:
            time.sleep(0.02)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each(job, numbers(), PARALLEL)
    assert not [pid for pid in pids(tmp_path) if alive(pid)]


def test_a_job_that_takes_the_end_for_an_answer_ends_too(builder: Builder, tmp_path: Path) -> None:
    """`docker image inspect` that was ended looks like an image that is not there: a build follows."""

    def job(number: int) -> None:
        ask(long(tmp_path, f"ask-{number}"))
        work(long(tmp_path, f"build-{number}"), "build", lambda _line: None)

    interrupted(lambda: builder._each(job, range(2)), lambda: len(pids(tmp_path)) == 4)
    assert not [pid for pid in pids(tmp_path) if alive(pid)]


def test_a_program_that_does_not_end_is_killed(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "PATIENCE_SECONDS", 0.3)

    def job(number: int) -> None:
        ask(long(tmp_path, number, "trap '' TERM;"))

    interrupted(lambda: builder._each(job, range(1)), lambda: len(pids(tmp_path)) == 2)
    assert not [pid for pid in pids(tmp_path) if alive(pid)]


@pytest.mark.parametrize("step", ["save", "import"])
def test_no_file_of_images_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    image = saved(tmp_path, {"agent:1": [b"base"]})
    answers: dict[str, Any] = {"save": f'cp {image} "$3"', "import": "cat > /dev/null"}
    answers[step] += f"; echo $$ > {tmp_path}/{step}.pid; exec sleep 600"
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(
        f'#!/bin/sh\ncase "$*" in save*) {answers["save"]};; *" import "*) {answers["import"]};; *) ;; esac\n'
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent), prepend=os.pathsep)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    interrupted(lambda: kind.load(["node"], {"agent:1": "sha256:1"}), lambda: bool(pids(tmp_path)))
    assert list(folder.iterdir()) == []
    assert not [pid for pid in pids(tmp_path) if alive(pid)]
