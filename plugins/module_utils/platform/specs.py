"""Argument specs of all roles of the collection: values checked and cast in one pass, unknown names refused.

Conversion is that of Ansible's own ArgumentSpecValidator (the same functions). What differs: every fault is kept, with
the path, the value and the remedy, and a key that no ``options`` names is a fault at any depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.parameters import DEFAULT_TYPE_VALIDATORS

from .problems import Problems, show, suggest
from .renamed import RENAMED

Options = Mapping[str, Mapping[str, Any]]
Convert = Callable[[Any], Any]

_TYPES = {
    "str": "a text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a dictionary",
}


@dataclass(frozen=True)
class Specs:
    """Options of each role, of all its entry points, by role."""

    roles: Mapping[str, Options]

    @property
    def options(self) -> dict[str, Mapping[str, Any]]:
        """All options; a name belongs to one role, as it begins with the role's."""
        return {name: option for options in self.roles.values() for name, option in options.items()}

    def defaults(self) -> dict[str, Any]:
        """Documented defaults. Those that are expressions are left out: only a run can say what they are."""
        defaults = {name: option.get("default") for name, option in self.options.items()}
        return {name: value for name, value in defaults.items() if value is not None and "{{" not in str(value)}


def check_names(specs: Specs, variables: Iterable[str], problems: Problems) -> None:
    """Refuse variables that begin as a role's do and are none of its options: they would silently change nothing."""
    options = specs.options
    prefixes = tuple(f"{role}_" for role in specs.roles)
    for name in variables:
        if name.startswith(prefixes) and name not in options and name not in RENAMED:
            role = max((role for role in specs.roles if name.startswith(f"{role}_")), key=len)
            remedy = suggest(name, options)
            if not remedy.startswith("Did"):
                remedy = suggest(name, specs.roles[role])
            problems.add(name, None, f"is no variable of the role {role}", remedy)


def check_values(specs: Specs, values: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """Values cast to the types that the specs declare; faulty ones are noted and left out."""
    options = specs.options
    accepted: dict[str, Any] = {}
    for name, value in values.items():
        before = len(problems.found)
        default = options[name].get("default")
        if value is None and default and not options[name].get("no_log"):
            # A template would render null, or drop the object that depends on it.
            known = "" if "{{" in str(default) else f", {show(default)},"
            problems.add(name, None, "is null", f"Remove it for its default{known} or give a value")
        result = _value(name, value, options[name], problems)
        if len(problems.found) == before:
            accepted[name] = result
    return accepted


def check_value(path: str, value: Any, option: Mapping[str, Any], problems: Problems) -> Any:
    """One value cast to what its option declares, faults noted; nested keys that are not given are None."""
    return _value(path, value, option, problems)


def _value(path: str, value: Any, option: Mapping[str, Any], problems: Problems) -> Any:
    if value is None:
        if option.get("required"):
            problems.add(path, None, "is required", option_remedy(option))
        return None
    wanted = option.get("type", "str")
    secret = bool(option.get("no_log"))
    try:
        convert: Convert = DEFAULT_TYPE_VALIDATORS[wanted]
        if wanted in ("str", "path", "int", "float", "bool") and isinstance(value, Mapping | list | tuple):
            raise TypeError(value)
        value = convert(value)
    except (TypeError, ValueError):
        _note(path, value, secret, f"is not {_TYPES.get(wanted, wanted)}", option_remedy(option), problems)
        return value
    if wanted == "list":
        item = {
            "type": option.get("elements", "raw"),
            "options": option.get("options"),
            "choices": option.get("choices"),
        }
        return [
            _value(f"{path}[{index}]", element, item | {"no_log": secret}, problems)
            for index, element in enumerate(value)
        ]
    choices = option.get("choices")
    if choices and value not in choices:
        _note(path, value, secret, "is not one of the choices", _suggest_choice(value, choices), problems)
    if wanted == "dict" and option.get("options"):
        return _nested(path, value, option["options"], problems)
    return value


def _nested(path: str, value: Mapping[str, Any], options: Options, problems: Problems) -> dict[str, Any]:
    for key in value:
        if key not in options:
            problems.add(f"{path}.{key}", None, "is not a known key", suggest(str(key), options))
    complete = {}
    for key, option in options.items():
        given = value.get(key)
        if given is None and "default" in option:
            given = option["default"]
        complete[key] = _value(f"{path}.{key}", given, option, problems)
    return complete


def _note(path: str, value: Any, secret: bool, problem: str, remedy: str, problems: Problems) -> None:
    if secret:
        problems.add_secret(path, problem, remedy)
    else:
        problems.add(path, value, problem, remedy)


def _suggest_choice(value: Any, choices: Iterable[Any]) -> str:
    words = [str(choice) for choice in choices]
    close = [word for word in words if word.lower() == str(value).lower()]
    return f'Did you mean "{close[0]}"' if close else suggest(str(value), words)


def option_remedy(option: Mapping[str, Any]) -> str:
    """What to write for an option, from its spec."""
    if option.get("choices"):
        return f"Choose one of {', '.join(str(choice) for choice in option['choices'])}"
    remedies = {
        "int": "Write a whole number, such as 3",
        "float": "Write a number",
        "bool": "Write true or false",
        "list": "Write a list, such as [a, b]",
        "dict": "Write keys and values",
    }
    return remedies.get(option.get("type", "str"), "Write a text")
