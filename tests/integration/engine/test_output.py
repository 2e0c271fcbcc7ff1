"""Through ansible-playbook: what people read while a run goes on, and what programs read afterwards."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..conftest import ROOT
from .objects import make
from .support import Object
from .test_behaviour import deployment
from .test_steps import environment, write_project

pytestmark = pytest.mark.cluster

ERASE = "\r\x1b[2K"
FAILS = "registry.example.test/app:broken-image"


def task(kubeconfig: Path, namespace: str, tier: str, definition: list[Object], **options: Any) -> dict[str, Any]:
    arguments = {"tier": tier, "namespace": namespace, "kubeconfig": str(kubeconfig), "templates": []}
    return {"multi_agent.platform.apply": arguments | {"definition": definition, "wait_timeout": 4} | options}


def command(folder: Path, *tasks: dict[str, Any], **variables: Any) -> list[str]:
    file = write_project(folder, list(tasks), **variables)
    return [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(file)]


def play(folder: Path, *tasks: dict[str, Any], expect: int = 0, **variables: Any) -> str:
    done = subprocess.run(
        command(folder, *tasks, **variables), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def on_a_terminal(folder: Path, task: dict[str, Any], **more: str) -> str:
    """What a terminal gets to draw."""
    master, slave = pty.openpty()
    env = environment() | {"TERM": "xterm", "COLUMNS": "80"} | more
    env.pop("CI", None)
    with subprocess.Popen(command(folder, task), cwd=ROOT, env=env, stdin=slave, stdout=slave, stderr=slave):
        os.close(slave)
        drawn = b""
        try:
            while part := os.read(master, 1 << 16):
                drawn += part
        except OSError:
            pass  # the other end is closed
    os.close(master)
    return drawn.decode()


def test_plain_lines_and_a_failure_that_is_said_once(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    said = play(tmp_path, task(kubeconfig, namespace, "web", [deployment(image=FAILS)]), expect=2)
    assert "  web: Deployment web created\n" in said
    assert "  web: 0 of 1 ready, waiting for Deployment web (0 of 1 pods are available)\n" in said
    assert said.count("not ready after 4 s") == 1
    assert said.count("container main: ImagePullBackOff") == 1
    assert "[ERROR]" not in said
    assert not set(said) & {"\r", "\x1b", "\x08"}
    said = play(tmp_path, task(kubeconfig, namespace, "web", [deployment(), make("v1", "ConfigMap", "new")]))
    assert "  web: Deployment web configured\n" in said
    assert "  web: 1 created, 1 configured in " in said
    quiet = play(tmp_path, task(kubeconfig, namespace, "web", [deployment(), make("v1", "ConfigMap", "new")]))
    assert "web:" not in quiet


def test_many_objects_are_counted(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    many = [make("v1", "ConfigMap", f"c-{number}") for number in range(120)]
    said = play(tmp_path, task(kubeconfig, namespace, "many", many))
    assert said.count(" created\n") == 40
    assert "  many: 120 created in " in said


def test_a_terminal_has_one_line_drawn_anew(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    waits = task(kubeconfig, namespace, "web", [deployment(image=FAILS)])
    drawn = on_a_terminal(tmp_path, waits)
    assert f"{ERASE}  web: 0 of 1 ready, waiting for Deployment web" in drawn
    before, _, after = drawn.rpartition(ERASE)
    assert "not ready after 4 s" in after  # the line is gone before the failure is shown
    assert "not ready after 4 s" not in before


def test_a_job_of_awx_has_plain_lines_though_it_has_a_terminal(
    kubeconfig: Path, namespace: str, tmp_path: Path
) -> None:
    waits = task(kubeconfig, namespace, "web", [deployment(image=FAILS)])
    drawn = on_a_terminal(tmp_path, waits, AWX_ISOLATED_DATA_DIR=str(tmp_path))
    assert "  web: 0 of 1 ready, waiting for Deployment web" in drawn
    assert ERASE not in drawn


def test_the_result_file(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "out" / "result.json"
    secret = make("v1", "Secret", "s", stringData={"token": "value-that-nobody-may-see"})
    tasks = [
        task(kubeconfig, namespace, "first", [secret, make("v1", "ConfigMap", "c")]),
        task(kubeconfig, namespace, "second", [deployment(image=FAILS)]),
    ]
    play(tmp_path, *tasks, expect=2, platform_result_file=str(file))
    assert "value-that-nobody-may-see" not in file.read_text()
    document = json.loads(file.read_text())
    run = document["clusters"]["localhost"]
    first, second = run["tiers"]
    assert (run["outcome"], run["changed"]) == ("failed", True)
    assert (first["tier"], first["outcome"], first["changed"], first["check"]) == ("first", "ok", True, False)
    assert {(entry["kind"], entry["name"], entry["action"]) for entry in first["objects"]} == {
        ("Secret", "s", "created"),
        ("ConfigMap", "c", "created"),
    }
    assert first["counts"]["created"] == 2
    assert 0 < first["seconds"]["apply"] <= first["seconds"]["total"]
    assert (second["tier"], second["outcome"]) == ("second", "failed")
    assert second["changes"] == ["created Deployment web"]
    assert "ImagePullBackOff" in second["message"]
    play(tmp_path, tasks[0], platform_result_file=str(file))
    again = json.loads(file.read_text())
    assert again["run"] != document["run"]
    assert [tier["changed"] for tier in again["clusters"]["localhost"]["tiers"]] == [False]


def test_the_result_file_of_a_run_that_ends_before_its_first_tier(namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text("what the last run left")
    play(tmp_path, task(tmp_path / "none", namespace, "first", []), expect=2, platform_result_file=str(file))
    run = json.loads(file.read_text())["clusters"]["localhost"]
    assert (run["outcome"], run["changed"], run["tiers"]) == ("failed", False, [])
    assert "there is no file" in run["message"]
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventories/local", "site.yml"]
    command += ["-e", f"platform_result_file={file}", "-e", "platform_wait=perhaps"]
    subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, check=False)
    run = json.loads(file.read_text())["clusters"]["local"]
    assert run["outcome"] == "failed"
    assert "platform_wait" in run["message"]


def test_a_result_file_that_cannot_be_written(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    apply = task(kubeconfig, namespace, "first", [make("v1", "ConfigMap", "c")])
    said = play(tmp_path, apply, expect=2, platform_result_file=str(tmp_path / "file" / "result.json"))
    assert "platform_result_file: " in said
    assert "cannot be written: " in said
