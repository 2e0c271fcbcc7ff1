"""A command in a pod, or a shell in the user's terminal."""

from __future__ import annotations

import json
import os
import select
import termios
import threading
import tty
from collections.abc import Callable

from ..engine.errors import EngineError
from .streams import ERROR, RESIZE, STDERR, STDIN, STDOUT, Stream, exit_code

_RESIZE_SECONDS = 0.5


def run(stream: Stream, show: Callable[[str], None]) -> tuple[int, str]:
    """Show the output of a command line by line; its exit code and why it is not 0."""
    pending = {STDOUT: b"", STDERR: b""}
    code, message = 1, "the stream ended before the command did"
    while (frame := stream.receive()) is not None:
        channel, data = frame
        if channel == ERROR:
            code, message = exit_code(data)
            break
        if channel in pending:
            *lines, pending[channel] = (pending[channel] + data).split(b"\n")
            for line in lines:
                show(line.decode("utf-8", "replace"))
    for rest in pending.values():
        if rest:
            show(rest.decode("utf-8", "replace"))
    stream.close()
    return code, message


def interact(stream: Stream, path: str) -> tuple[int, str]:
    """Connect the terminal at ``path`` with a shell until that ends; its exit code.

    The path, since Ansible's workers have no terminal of their own. Raises EngineError where it is none.
    """
    try:
        terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
        before = termios.tcgetattr(terminal)
    except (OSError, termios.error) as error:
        raise EngineError(f"{path} is no terminal: {error}.", "Run `make shell` in one, or give a command.") from None
    result = (0, "")
    ended, wake = os.pipe()

    def output() -> None:
        nonlocal result
        while (frame := stream.receive()) is not None:
            channel, data = frame
            if channel == ERROR:
                result = exit_code(data)
                break
            if channel in {STDOUT, STDERR}:
                os.write(terminal, data)
        os.write(wake, b"x")

    try:
        tty.setraw(terminal)
        threading.Thread(target=output, daemon=True).start()
        _input(stream, terminal, ended)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        stream.close()
        os.close(terminal)
    return result


def _input(stream: Stream, terminal: int, ended: int) -> None:
    size: os.terminal_size | None = None
    while True:
        now = os.get_terminal_size(terminal)
        if now != size:
            size = now
            stream.send(RESIZE, json.dumps({"Width": now.columns, "Height": now.lines}).encode())
        ready, _, _ = select.select([terminal, ended], [], [], _RESIZE_SECONDS)
        if ended in ready:
            return
        if terminal in ready:
            data = os.read(terminal, 4096)
            if not data:
                return
            try:
                stream.send(STDIN, data)
            except OSError:
                return
