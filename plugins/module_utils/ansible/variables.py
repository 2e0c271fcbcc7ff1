"""Ansible's variables as the engine wants them: resolved when asked for, and of the type that the argument specs say.

Values from ``-e`` and from AWX surveys arrive as strings, and core 2.19 checks argument specs without converting, so the
cast is done here, once, for every variable that a spec declares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..engine.errors import EngineError
from ..engine.render import plain


@cache
def argument_spec(role: Path) -> dict[str, Any]:
    """Options of all entry points of a role, by name; empty where the role has no argument specs."""
    file = role / "meta" / "argument_specs.yml"
    if not file.is_file():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    specs = yaml.load(file.read_text(), Loader=loader)  # noqa: S506 - a file of this collection
    entries = ((specs or {}).get("argument_specs") or {}).values()
    return {name: option for entry in entries for name, option in (entry.get("options") or {}).items()}


class Variables:
    """The variables of one task. ``roles``: folders of the roles whose argument specs declare types."""

    def __init__(self, templar: Any, task_vars: Mapping[str, Any], roles: Iterable[Path]) -> None:
        self._templar = templar
        self._names = task_vars
        self._spec: dict[str, Any] = {}
        for role in roles:
            self._spec.update(argument_spec(role))

    def defined(self, name: str) -> bool:
        return name in self._names

    def resolve(self, name: str) -> Any:
        """The value of one variable: templated, plain, cast. Raises EngineError naming the variable."""
        try:
            value = plain(self._templar.resolve_variable_expression(name))
        except AnsibleError as error:
            raise EngineError(f"{name}: {error}", f"Check what the inventory says for {name}.") from error
        spec = self._spec.get(name)
        return self._cast(name, value, spec) if spec and value is not None else value

    def _cast(self, name: str, value: Any, spec: dict[str, Any]) -> Any:
        checked = ArgumentSpecValidator({name: {**spec, "required": False}}).validate({name: value})
        if checked.error_messages:
            raise EngineError("; ".join(checked.error_messages), f"Correct {name} in the inventory.")
        return checked.validated_parameters[name]
