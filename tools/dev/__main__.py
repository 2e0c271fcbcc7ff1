"""python -m tools.dev -i INVENTORY [more arguments for ansible-playbook]: see docs/operations/dev.md."""

import os
import signal
import sys
from types import FrameType

from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError

from .children import end_children
from .loop import Loop
from .playbooks import PlaybookFailed, Playbooks
from .screen import Screen

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str]) -> int:
    """0 after an interruption, which is how a loop ends; 1 for what it cannot begin with."""
    screen = Screen(sys.stdout)
    for number in _ENDING:
        signal.signal(number, _interrupted)
    try:
        _loop(arguments, screen)
    except KeyboardInterrupt:
        screen.say("Stopped. The platform goes on running: make teardown takes it off, make down the cluster.")
        return 0
    except PlaybookFailed as error:
        return error.code
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _loop(arguments: list[str], screen: Screen) -> None:
    """No playbook runs on after it: it may be in a group that the terminal's signal does not reach."""
    try:
        Loop(Playbooks(arguments), screen).run()
    finally:
        end_children(os.getpid())


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    """By an exception, so that what waits to be built is given up before anything is ended that it waits for."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # streams of logs and forwards have threads that wait for a server
