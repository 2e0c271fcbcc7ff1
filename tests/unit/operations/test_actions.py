"""What holds for every action of the operator's verbs."""

from importlib import import_module
from pathlib import Path

from ansible_collections.multi_agent.platform.plugins import action
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible.operation import Operation

NAMES = sorted(file.stem for path in action.__path__ for file in Path(path).glob("[a-z]*.py"))


def test_what_waits_long_is_told_to_stop_in_order() -> None:
    """Otherwise Ctrl-C ends it at once: nothing says what was done by then, and nothing that was stopped is started."""
    found = [import_module(f"{action.__name__}.{name}").ActionModule for name in NAMES]
    waiting = [module for module in found if issubclass(module, Operation) and "wait_timeout" in module.SPEC]
    assert len(waiting) > 5
    assert [module.__module__ for module in waiting if not module.ENDS_IN_ORDER] == []
