"""How an action fails: with a message that says it all, once."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail


class Failure(AnsibleActionFail):
    """A failure whose message names the object, the cause and the remedy.

    ansible-core 2.19 shows an exception of a task beside the task's message, with the line of the role that holds the
    task: the same text twice, and a place where nothing is wrong. Without it each callback still has all of the result.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)  # type: ignore[no-untyped-call]

    @property
    def omit_exception_key(self) -> bool:
        return True
