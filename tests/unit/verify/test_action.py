"""The action's own part: what is refused before the cluster is asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.multi_agent.platform.plugins.action import verify
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible.failure import Failure


def test_a_report_that_cannot_be_written_is_said_before_the_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def connect(_args: Any) -> None:
        pytest.fail("the cluster was asked")

    (tmp_path / "file").write_text("")
    junit = tmp_path / "file" / "verify.xml"
    monkeypatch.setattr(verify, "connect", connect)
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    monkeypatch.setattr(verify.ActionModule, "validate_argument_spec", lambda *_, **__: (None, {"junit": str(junit)}))
    action: Any = verify.ActionModule.__new__(verify.ActionModule)
    action._task = SimpleNamespace(check_mode=False)
    with pytest.raises(Failure, match=f"verify_junit = {junit} cannot be written: Not a directory"):
        action.run()
