"""What the actions of the operator's verbs share: connection, namespace, output and errors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..engine import retry
from ..engine.cluster import Cluster, connect
from ..engine.credentials import redacted
from ..engine.errors import ConnectionFailed, EngineError
from ..engine.manifests import secret_values
from ..engine.render import plain
from ..operations.cluster_view import SECRET
from ..platform import credential_references
from ..platform.credential_references import Reference
from . import garbage, signals
from .connection import CONNECTION_SPEC, say_where
from .failure import Failure
from .variables import SHARED_ROLE, Variables, preload
from .wiring import Check

preload()
signals.await_workers()

# Where a task leaves an option out, the shared role's variable says it; of the cluster see ``say_where``.
FALLBACK = {"namespace": "platform_namespace"}
# A person waits for the answer: a server that is away is said so soon. What writes or waits bears as much as a run.
PATIENCE_SECONDS = 3.0

display = Display()


def here(host: str, cluster: Cluster, namespace: str) -> str:
    """The cluster that a screen speaks of, in one line: by its own address, as names are easily mistaken."""
    return f"Cluster {host} ({cluster.connection.address}), namespace {namespace}"


class Operation(ActionBase):
    """An action on one cluster. Subclasses name their options in ``SPEC`` and do their work in ``operate``."""

    SPEC: ClassVar[dict[str, Any]] = {}
    # Whether it writes or waits: Ctrl-C ends it in order, with a report, and a server may be away for a while.
    ENDS_IN_ORDER: ClassVar[bool] = False
    # Whether it writes what belongs to the platform: then the cluster has to be the one that the inventory means.
    WRITES: ClassVar[bool] = False
    # Whether its own output begins with ``here``, the cluster that it speaks of; else a line beside the output does.
    NAMES_CLUSTER: ClassVar[bool] = False
    here = ""
    # Whether the user has seen ``here``.
    _named = False
    _requires_connection = False
    _supports_check_mode = True

    @abstractmethod
    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Do the work; the task's result. Raises EngineError."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the documentation of the module of this name for options and return values."""
        super().run(tmp, task_vars)
        del tmp
        garbage.rarely()
        self.host = str((task_vars or {}).get("inventory_hostname", ""))
        self.variables = Variables(self._templar, task_vars or {}, [SHARED_ROLE])
        cluster: Cluster | None = None
        try:
            args = self._arguments()
            cluster = connect(args, retry.PATIENCE_SECONDS if self.ENDS_IN_ORDER else PATIENCE_SECONDS)
            self.here = here(self.host, cluster, args["namespace"])
            if not self.NAMES_CLUSTER:
                self._name_cluster()
            with signals.heeded(cluster.interruption) if self.ENDS_IN_ORDER else nullcontext():
                if self.WRITES:
                    Check(cluster, args, self.variables).approve()
                return self.operate(cluster, args)
        except EngineError as error:
            text = str(error)
            if cluster and not self._named:
                self._name_cluster()
            if cluster and not isinstance(error, ConnectionFailed):
                text = self.redact(cluster, args["namespace"], text)
            if cluster and cluster.interruption.reason:
                signals.say_last(text)
            raise Failure(text) from None
        finally:
            if cluster:
                cluster.close()

    def _arguments(self) -> dict[str, Any]:
        self.variables.fill(self._task.args, FALLBACK)
        spec = {"namespace": {"type": "str", "required": True}, **self.SPEC, **CONNECTION_SPEC}
        _, checked = self.validate_argument_spec(argument_spec=spec)  # type: ignore[no-untyped-call]
        arguments: dict[str, Any] = plain(checked)
        say_where(arguments, self.variables.get)
        return arguments

    def secret(self) -> str:
        """Name of the Secret that credentials are read from."""
        return str(self.variables.get("platform_existing_secret") or "platform-credentials")

    def references(self) -> list[Reference]:
        """Credentials that Secrets of users hold."""
        return credential_references.read(self.variables.get(credential_references.VARIABLE))

    def redact(self, cluster: Cluster, namespace: str, text: str) -> str:
        """``text`` without any value of the live credentials: for words of pods, such as their last log lines.

        As it is where they cannot be read.
        """
        # Also of a run that was told to stop, and soon.
        look = Cluster(cluster.connection, PATIENCE_SECONDS)
        try:
            values = secret_values(look.find(SECRET, namespace, self.secret()))
        except EngineError:
            return text
        finally:
            look.close()
        return redacted(text, values)

    def say(self, lines: str | Iterable[str]) -> None:
        """Show text to the user at once and in one piece, so that clusters of a fleet do not mix theirs."""
        text = lines if isinstance(lines, str) else "\n".join(lines)
        self._named = self._named or self.here in text
        display.display(text)

    def _name_cluster(self) -> None:
        self._named = True
        display.display(self.here, stderr=True)

    def warn(self, text: str) -> None:
        """A line that must not be overlooked, among the others (Ansible's own warnings come after the task)."""
        display.display(f"Warning: {text}")
