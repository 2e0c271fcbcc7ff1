"""What a cluster folder says about its cluster."""

import json
from dataclasses import asdict, dataclass

from .kubeconfig import write_private
from .paths import ClusterPaths


@dataclass(frozen=True)
class State:
    """`provider` is known from the start, so that a half-made cluster can be deleted; `complete` is set
    when create succeeded.

    `home` is where the folder was then: programs are started with absolute paths, so a moved folder cannot start again.
    """

    provider: str
    home: str
    complete: bool

    @classmethod
    def write(cls, provider: str, paths: ClusterPaths, *, complete: bool) -> None:
        write_private(paths.state, json.dumps(asdict(cls(provider, str(paths.home), complete))) + "\n")


def read_state(paths: ClusterPaths) -> State | None:
    """None for a cluster that nobody began to make."""
    try:
        return State(**json.loads(paths.state.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def is_complete(paths: ClusterPaths) -> bool:
    state = read_state(paths)
    return state is not None and state.complete
