"""The project's playbooks, run with the arguments that the loop was started with."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import RawIOBase
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class PlaybookFailed(Exception):
    """Ended with ``code`` after it has said why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


def _until_newline(stream: RawIOBase) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        text += stream.read(1 << 16) or b""
    return text


class Playbooks:
    """``arguments``: inventories and whatever else ansible-playbook is to be given."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments)
        self._program = str(Path(sys.executable).with_name("ansible-playbook"))

    def describe(self) -> dict[str, Any]:
        """What the inventory says of the loop. Raises PlaybookFailed."""
        with tempfile.TemporaryDirectory(prefix="multi-agent-dev.") as folder:
            # A pipe, as it holds the login to the cluster: nothing of it is ever on disk.
            pipe = Path(folder) / "description.json"
            os.mkfifo(pipe, 0o600)
            with pipe.open("r+b", buffering=0) as stream, ThreadPoolExecutor(1) as pool:
                text = pool.submit(_until_newline, stream)
                try:
                    self.run("playbooks/dev.yml", {"dev_description": str(pipe)})
                finally:
                    stream.write(b"\n")
                description: dict[str, Any] = json.loads(text.result())
        return description

    def site(self, tags: Sequence[str], say: Callable[[str], None] | None = None) -> None:
        """Bring the cluster to what the inventory says, of ``tags`` only where there are any. Raises PlaybookFailed."""
        more = ["--tags", ",".join(tags)] if tags else []
        self.run("site.yml", {"platform_dev_sync": True}, more, say)

    def run(
        self,
        playbook: str,
        variables: dict[str, Any],
        more: Sequence[str] = (),
        say: Callable[[str], None] | None = None,
    ) -> None:
        """One playbook; its lines go to ``say``, where they are not just shown. Raises PlaybookFailed."""
        command = [self._program, *self._arguments, playbook, *more, f"--extra-vars={json.dumps(variables)}"]
        screen = {"ANSIBLE_STDOUT_CALLBACK": "multi_agent.platform.screen"}
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | screen,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if say else None,
            stderr=subprocess.STDOUT if say else None,
            text=True,
            errors="replace",
        ) as running:
            for line in running.stdout or ():
                if say and line.strip():
                    say(line.rstrip())
        if running.returncode != 0:
            raise PlaybookFailed(running.returncode)
