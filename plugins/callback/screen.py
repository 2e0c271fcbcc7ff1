"""Standard output for the operator's verbs: what the verb shows, and failures as sentences. No play, no recap."""

from __future__ import annotations

from typing import Any

from ansible.plugins.callback import CallbackBase

from ..module_utils.engine.diff import to_yaml
from ..module_utils.engine.render import plain

DOCUMENTATION = r"""
name: screen
type: stdout
short_description: One clean screen for status, logs and the other verbs
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Shows only what tasks say themselves, what P(ansible.builtin.debug#module) prints, and of a task that fails the
    message, on standard error.
  - For playbooks whose tasks print their result, such as P(multi_agent.platform.status#module). The make targets choose
    it; E(ANSIBLE_STDOUT_CALLBACK=multi_agent.platform.screen) does anywhere else.
"""


class CallbackModule(CallbackBase):
    """Silent but for failures."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "multi_agent.platform.screen"

    def v2_runner_on_ok(self, result: Any) -> None:
        """Warnings, and what debug shows: other tasks say themselves what they have to say."""
        outcome = _outcome(result)
        self._handle_warnings(outcome)
        if _task(result).action.rpartition(".")[2] == "debug" and "msg" in outcome:
            self._display.display(to_yaml(plain(outcome["msg"])).rstrip())

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """The message of a task that failed, after the name of its cluster."""
        # Of a loop each item has said so itself.
        if not ignore_errors and not (_task(result).loop and "results" in _outcome(result)):
            self._fail(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """The message of an item of a loop that failed."""
        self._fail(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """As a failure: hosts are clusters here, and the message says which."""
        self._fail(result)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """A --limit or pattern that chooses no cluster."""
        self._display.display("error: no cluster of the inventory was chosen; check --limit.", stderr=True)

    def _fail(self, result: Any) -> None:
        outcome = _outcome(result)
        self._handle_warnings(outcome)
        host = result.host if hasattr(result, "host") else result._host
        message = str(outcome.get("msg") or "failed without a message")
        self._display.display(f"{host.get_name()}: error: {message}", stderr=True)


def _task(result: Any) -> Any:
    return result.task if hasattr(result, "task") else result._task


def _outcome(result: Any) -> Any:
    """The task's result; ansible-core 2.20 names it anew."""
    return result.result if hasattr(result, "result") else result._result
