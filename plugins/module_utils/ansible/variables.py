"""Ansible's variables as the engine wants them: resolved when asked for, of the type that their specs say.

Values from ``-e`` and from AWX surveys arrive as strings, and core 2.19 checks argument specs without converting, so
the cast is done here, once, for every variable that a spec declares.
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
from ..operations.origin import Origin
from .expressions import NotSimple, evaluate

ROLES = Path(__file__).parents[3] / "roles"
SHARED_ROLE = ROLES / "platform"


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


def preload() -> None:
    """Read the argument specs of all roles. Done where plugins are imported: once, before workers fork."""
    for role in sorted(ROLES.iterdir()):
        argument_spec(role)


class Variables:
    """The variables of one task. ``roles``: folders of the roles whose argument specs declare types."""

    def __init__(self, templar: Any, task_vars: Mapping[str, Any], roles: Iterable[Path]) -> None:
        self._templar = templar
        self._names = task_vars
        self._spec: dict[str, Any] = {}
        self._known: dict[str, Any] = {}
        self._under_way: set[str] = set()
        # Whose run this is, for the record of its release; known when the cluster was looked at (see ``wiring``).
        self.origin = Origin()
        for role in roles:
            self._spec.update(argument_spec(role))

    def defined(self, name: str) -> bool:
        return name in self._names

    def raw(self, name: str) -> Any:
        """The value of one variable as Ansible holds it, None where there is none of that name."""
        return self._names.get(name)

    def resolve(self, name: str) -> Any:
        """The value of one variable: templated, plain, cast. Raises EngineError naming the variable."""
        if name not in self._known:
            self._known[name] = self._resolve(name)
        return self._known[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of one variable, ``default`` where there is none of that name. Raises EngineError."""
        return self.resolve(name) if self.defined(name) else default

    def fill(self, arguments: dict[str, Any], fallback: Mapping[str, str]) -> None:
        """Give a task the options that it leaves out: option -> variable that says it. Raises EngineError."""
        for option, variable in fallback.items():
            if option not in arguments and (value := self.get(variable)) not in (None, ""):
                arguments[option] = value

    def given(self, name: str) -> dict[str, str]:
        """The values of credentials in a variable. Read by name, so that no value is an argument of a task."""
        return {key: str(value) for key, value in (self.get(name) or {}).items() if value not in (None, "")}

    def _resolve(self, name: str) -> Any:
        try:
            value = evaluate(self._names[name], self._simple)
        except (KeyError, NotSimple, AnsibleError):
            value = self._by_ansible(name)
        spec = self._spec.get(name)
        return self._cast(name, value, spec) if spec and value is not None else value

    def _simple(self, name: str) -> Any:
        """A variable that an expression refers to; what is not there or nests too deep is left to Ansible."""
        if name not in self._names or name in self._under_way:
            raise NotSimple
        self._under_way.add(name)
        try:
            return self._known[name] if name in self._known else evaluate(self._names[name], self._simple)
        finally:
            self._under_way.discard(name)

    def _by_ansible(self, name: str) -> Any:
        try:
            return plain(self._templar.resolve_variable_expression(name))
        except AnsibleError as error:
            raise EngineError(f"{name}: {error}", f"Check what the inventory says for {name}.") from error

    def _cast(self, name: str, value: Any, spec: dict[str, Any]) -> Any:
        checked = ArgumentSpecValidator({name: {**spec, "required": False}}).validate({name: value})
        if checked.error_messages:
            raise EngineError("; ".join(checked.error_messages), f"Correct {name} in the inventory.")
        return checked.validated_parameters[name]
