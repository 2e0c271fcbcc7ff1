"""The parts of the inner loop that need no cluster."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.forward import Forward, listen

from tools.dev.children import descendants, end_children
from tools.dev.screen import Screen
from tools.dev.sync import archive, targets

PODS = "agent-service-5645f555c4-hg5v4", "frontend-7754f78769-f24l8", "postgres-0"


def lines(colours: bool) -> list[str]:
    stream = io.StringIO()
    screen = Screen(stream, colours)
    screen.know(["agent-service", "frontend", "postgres"])
    for pod in PODS:
        screen.log(f"{pod:50} | said | so")
    screen.say("done")
    return stream.getvalue().splitlines()


def test_lines_of_pods_have_a_prefix_that_tells_replicas_apart() -> None:
    assert lines(colours=False) == [
        "agent-hg5v4          | said | so",
        "frontend-f24l8       | said | so",
        "postgres-0           | said | so",
        "done",
    ]


def test_each_part_has_a_colour_of_its_own() -> None:
    shown = lines(colours=True)
    colours = {line.partition("m")[0] for line in shown[:3]}
    assert len(colours) == 3
    assert all(line.startswith("\x1b[") and "\x1b[0m said" in line for line in shown[:3])


def test_colours_are_for_terminals() -> None:
    stream = io.StringIO()
    Screen(stream).log("postgres-0 | x")
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    ("paths", "folders", "expected"),
    [
        (["src/a/b.py"], {"src": "/app/src"}, {"src/a/b.py": "/app/src/a/b.py"}),
        (
            ["src/a.py", "pages/i.tsx"],
            {"src": "/app", "pages": "/web"},
            {"src/a.py": "/app/a.py", "pages/i.tsx": "/web/i.tsx"},
        ),
        (["src/a.py", "package.json"], {"src": "/app"}, None),
        (["source/a.py"], {"src": "/app"}, None),
    ],
)
def test_where_copies_go(paths: list[str], folders: dict[str, str], expected: dict[str, str] | None) -> None:
    assert targets(paths, folders) == expected


def test_a_port_in_use_is_said_and_no_other_is_kept() -> None:
    with socket.socket() as taken, socket.socket() as free:
        for one in (taken, free):
            one.bind(("127.0.0.1", 0))
        taken.listen()
        used, open_port = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        forwards = [Forward("gateway", open_port, 3000), Forward("nats", used, 4222)]
        with pytest.raises(EngineError) as refused:
            listen(forwards, lambda port: f"make dev PORTS={port.part}:{port.local}")
        other = used + 10000 if used < 50000 else used - 10000
        assert f"Port {used} for nats is in use" in str(refused.value)
        assert f"make dev PORTS=nats:{other}" in str(refused.value)
        ((_, again),) = listen(forwards[:1])
        again.close()


def test_children_in_other_sessions_are_ended_too(tmp_path: Path) -> None:
    """A child that ignores SIGTERM, and a grandchild in a session of its own, as Ansible's workers are."""
    code = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'], start_new_session=True)\n"
        f"open({str(tmp_path / 'ready')!r}, 'w').close()\n"
        "time.sleep(100)\n"
    )
    parent_code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {code!r}]); time.sleep(100)"
    parent = subprocess.Popen([sys.executable, "-c", parent_code])
    try:
        while not (tmp_path / "ready").exists():
            time.sleep(0.05)
        found = descendants(parent.pid)
        assert len(found) == 2
        end_children(parent.pid)
        assert not [pid for pid in found if Path(f"/proc/{pid}").exists() and _runs(pid)]
        assert parent.poll() is None
    finally:
        parent.kill()
        parent.wait()


def test_an_interruption_ends_the_loop_and_begins_no_other_build(tmp_path: Path) -> None:
    """As a terminal does it: to the loop and its builds alike. Two of four builds wait for their turn."""
    code = (
        "import sys\n"
        "from ansible_collections.multi_agent.platform.plugins.module_utils.images import builder, programs\n"
        "from tools.dev import __main__ as dev\n"
        "class Loop:\n"
        "    def __init__(self, *_): pass\n"
        "    def run(self):\n"
        "        request = builder.Request([], {}, [], [], source_dir='', map='', environment='local', parallel=2)\n"
        f"        build = ['sh', '-c', 'echo $$ > {tmp_path}/$0; exec sleep 600']\n"
        "        job = lambda name: programs.work([*build, name], 'build', print)\n"
        "        builder.Builder(request, print)._each(job, ['1', '2', '3', '4'])\n"
        "dev.Loop, dev.Playbooks = Loop, lambda _arguments: None\n"
        "sys.exit(dev.main([]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            while process.poll() is None and len(list(tmp_path.iterdir())) < 2:
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)
            said = process.communicate(timeout=30)[0]
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert said.startswith("Stopped.")
    assert len(list(tmp_path.iterdir())) == 2
    assert not [file for file in tmp_path.iterdir() if _runs(int(file.read_text()))]


def _runs(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z") and pid != os.getpid()


def test_an_archive_holds_files_for_any_user_and_says_what_is_gone(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "run.sh").write_text("x")
    (tmp_path / "src" / "run.sh").chmod(0o700)
    with tarfile.open(fileobj=io.BytesIO(archive(tmp_path, {"src/run.sh": "/app/src/run.sh"}))) as content:
        (member,) = content.getmembers()
    assert (member.name, member.mode, member.uid, member.uname) == ("app/src/run.sh", 0o755, 0, "")
    with pytest.raises(EngineError, match=r"gone\.py cannot be read"):
        archive(tmp_path, {"src/gone.py": "/app/src/gone.py"})
