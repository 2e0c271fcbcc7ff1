"""Templates to text, in one pass over plain data.

Ansible resolves each variable that the templates name once; after that this is ordinary Jinja, without Ansible's own
templating between an expression and its value. Measured at 100 services that is most of the difference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes

from .errors import InvalidManifest

Resolve = Callable[[str], Any]


def checksum(*values: Any) -> str:
    """16 hex digits over the canonical JSON of ``values``: changes when any of them does."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plain(value: Any) -> Any:
    """A copy made of dict, list, str, int, float, bool and None only (Ansible's values carry tags and are lazy)."""
    if value is None or isinstance(value, bool | int | float):
        # Subclasses of int and float carry tags; bool cannot be subclassed.
        return value if value is None or isinstance(value, bool) else (int if isinstance(value, int) else float)(value)
    if isinstance(value, Mapping):
        return {str(key) if isinstance(key, str) else key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return str(value)


def _yaml_safe(value: Any) -> Any:
    """How an expression enters YAML: lists and dicts in flow style, null and booleans as YAML writes them."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value


class Renderer:
    """Renders the templates of one tier.

    ``folders``: where templates and the files that they import are looked up, in that order.
    ``filters``: what a template may pipe through. ``functions``: what it may call.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        filters: Mapping[str, Callable[..., Any]],
        functions: Mapping[str, Callable[..., Any]],
    ) -> None:
        self._env = jinja2.Environment(  # noqa: S701 - YAML, not HTML
            loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=_yaml_safe,
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
        )
        self._env.filters = filters  # type: ignore[assignment]
        self._env.globals.update(checksum=checksum, **functions)

    def render(self, names: Iterable[str], resolve: Resolve, defined: Callable[[str], bool]) -> dict[str, str]:
        """Template name -> text. ``resolve`` gives the value of a variable, and is called once for each.

        Raises InvalidManifest naming the template, the line and what is undefined or wrong there.
        """
        names = list(names)
        variables = {
            name: plain(resolve(name))
            for name in sorted(self._variables(names))
            if name not in self._env.globals and defined(name)
        }
        return {name: self._render(name, variables) for name in names}

    def _render(self, name: str, variables: dict[str, Any]) -> str:
        try:
            return self._env.get_template(name).render(variables)
        except jinja2.UndefinedError as error:
            raise InvalidManifest(
                f"{self._at(error, name)}: {error.message}.", "Set it in the inventory, or give it a default there."
            ) from error
        except jinja2.TemplateError as error:
            raise InvalidManifest(f"{self._at(error, name)}: {error.message}.", "Mend the template.") from error
        except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
            raise InvalidManifest(f"{self._at(error, name)}: {error}.", "Mend the template.") from error

    def _at(self, error: BaseException, name: str) -> str:
        """``template, line N``: the innermost template line of the traceback."""
        where = f"{name}, line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else name
        trace = error.__traceback__
        while trace:
            file = Path(trace.tb_frame.f_code.co_filename)
            if file.suffix == ".j2":
                where = f"{file.name}, line {trace.tb_lineno}"
            trace = trace.tb_next
        return where

    def _variables(self, names: Iterable[str]) -> set[str]:
        """What the templates, and the files that they import or include, leave to be given."""
        found: set[str] = set()
        seen: set[str] = set()
        queue = list(names)
        while queue:
            name = queue.pop()
            if name in seen:
                continue
            seen.add(name)
            tree = self._parse(name)
            found |= meta.find_undeclared_variables(tree)
            queue.extend(ref for ref in meta.find_referenced_templates(tree) if ref)
        return found

    def _parse(self, name: str) -> nodes.Template:
        assert self._env.loader is not None  # noqa: S101
        try:
            source, _, _ = self._env.loader.get_source(self._env, name)
            return self._env.parse(source, name)
        except jinja2.TemplateNotFound as error:
            raise InvalidManifest(
                f"There is no template {error.name}.", "Check the name and the role's templates/."
            ) from error
        except jinja2.TemplateSyntaxError as error:
            raise InvalidManifest(f"{name}, line {error.lineno}: {error.message}.", "Mend the template.") from error
