"""The documentation of a module lists the options that its action takes, and the action group lists the modules."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.loader import fragment_loader, init_plugin_loader
from ansible.utils.plugin_docs import get_docstring

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(file.stem for file in (ROOT / "plugins" / "modules").glob("[!_]*.py"))
ACTIONS = "ansible_collections.multi_agent.platform.plugins.action"
CONNECTION = "ansible_collections.multi_agent.platform.plugins.module_utils.ansible.connection"


@pytest.fixture(scope="module", autouse=True)
def loader() -> None:
    init_plugin_loader([str(ROOT / "collections")])


def taken(name: str) -> dict[str, Any]:
    """The argument spec of the action ``name``."""
    module = import_module(f"{ACTIONS}.{name}")
    action = module.ActionModule
    if hasattr(action, "_OPTIONS"):
        return dict(action._OPTIONS)
    if hasattr(action, "SPEC"):
        connection = import_module(CONNECTION).CONNECTION_SPEC
        return {"namespace": {"type": "str", "required": True}, **action.SPEC, **connection}
    return dict(module.SPEC)


def documented(name: str) -> dict[str, Any]:
    text, *_ = get_docstring(str(ROOT / "plugins" / "modules" / f"{name}.py"), fragment_loader)
    options: dict[str, Any] = text["options"]
    return options


@pytest.mark.parametrize("name", MODULES)
def test_documentation_names_every_option_with_its_type(name: str) -> None:
    spec, options = taken(name), documented(name)
    assert sorted(options) == sorted(spec)
    for option, described in options.items():
        for fact in ("type", "elements", "default", "choices"):
            missing = "str" if fact == "type" else None
            expected = spec[option].get(fact, missing)
            # Empty lists and dictionaries need not be documented as defaults.
            allowed = (expected, None) if expected in ([], {}) else (expected,)
            assert described.get(fact, missing) in allowed, (option, fact)


def test_action_group_names_every_module_with_a_connection() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["k8s"]) == [name for name in MODULES if "kubeconfig" in taken(name)]
