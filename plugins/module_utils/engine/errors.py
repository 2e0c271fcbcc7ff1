"""What can go wrong, as exceptions whose text a user can act on."""

from __future__ import annotations

from typing import Any


class EngineError(Exception):
    """A failure with its remedy.

    ``message`` says what is wrong and names the object, field or variable; ``remedy`` says what to do.
    Neither ever holds the value of a secret.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class InvalidManifest(EngineError):
    """A template or definition does not make a Kubernetes object."""


class ConfigurationError(EngineError):
    """The connection options, environment or kubeconfig cannot be used."""


class ConnectionFailed(EngineError):
    """The API server could not be reached, or the connection broke and could not be resumed in time."""


class ApiError(EngineError):
    """The API server answered with an error (a ``metav1.Status``).

    https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#response-status-kind
    """

    def __init__(self, status: int, body: dict[str, Any], *, what: str = "", remedy: str = "") -> None:
        self.status = status
        self.reason = str(body.get("reason") or "")
        self.details: dict[str, Any] = body.get("details") or {}
        self.server_message = str(body.get("message") or f"HTTP {status}")
        super().__init__(f"{what}: {self.server_message}" if what else self.server_message, remedy)

    @property
    def causes(self) -> list[dict[str, str]]:
        """``details.causes``: each with ``reason``, ``message`` and the ``field`` it is about."""
        return self.details.get("causes") or []


class WaitFailed(EngineError):
    """Objects did not become ready: they cannot any more, or the time is over. ``report`` holds a line per finding."""

    def __init__(self, message: str, report: list[str], remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.report = report

    def __str__(self) -> str:
        return "\n".join([self.message, *self.report, *([self.remedy] if self.remedy else [])])
