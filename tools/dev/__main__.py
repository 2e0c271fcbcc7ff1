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


def main(arguments: list[str]) -> int:
    """0 after an interruption, which is how a loop ends; 1 for what it cannot begin with."""
    screen = Screen(sys.stdout)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        Loop(Playbooks(arguments), screen).run()
    except KeyboardInterrupt:
        screen.say("Stopped. The platform goes on running: make teardown takes it off, make down the cluster.")
        return 0
    except PlaybookFailed as error:
        return error.code
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        end_children(os.getpid())
    return 0


def _interrupted(number: int, _frame: FrameType | None) -> None:
    """Builds and playbooks end first: they may be in a group that the terminal's signal does not reach."""
    signal.signal(number, signal.SIG_IGN)
    end_children(os.getpid())
    raise KeyboardInterrupt


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # streams of logs and forwards have threads that wait for a server
