"""Templates to text, in one pass over plain data.

Ansible resolves each variable that the templates name once; after that this is ordinary Jinja, without Ansible's own
templating between an expression and its value. Measured at 100 services that is most of the difference.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from jinja2.runtime import Context
from jinja2.utils import missing

from . import yamltext
from .errors import InvalidManifest

Resolve = Callable[[str], Any]


def checksum(*values: Any) -> str:
    """16 hex digits over the canonical JSON of ``values``: changes when any of them does."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_PLAIN = frozenset({str, int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """A copy made of dict, list, str, int, float, bool and None only (Ansible's values carry tags and are lazy)."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict or isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    # Subclasses of int and float carry tags.
    return (int if isinstance(value, int) else float if isinstance(value, float) else str)(value)


def _key(key: Any) -> Any:
    return str(key) if type(key) is not str and isinstance(key, str) else key


def _yaml_safe(value: Any) -> Any:
    """How an expression enters YAML: lists and dicts in flow style, null and booleans as YAML writes them."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return yamltext.from_json(json.dumps(value))
    return value


class _Context(Context):
    """Asks for a variable when a template first uses it, so that no template need be searched for names beforehand."""

    def resolve_or_missing(self, key: str) -> Any:
        found = super().resolve_or_missing(key)
        lookup = self.environment.globals[_LOOKUP]
        return lookup(key) if found is missing else found  # type: ignore[operator]


# Where the environment keeps the look-up of the render that is under way; no template can name it.
_LOOKUP = "\0lookup"


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
            bytecode_cache=_bytecode_cache(),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=_yaml_safe,
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
        )
        self._env.context_class = _Context
        self._env.filters = filters  # type: ignore[assignment]
        self._env.globals.update(checksum=checksum, **functions)

    def render(self, names: Iterable[str], resolve: Resolve, defined: Callable[[str], bool]) -> dict[str, str]:
        """Template name -> text. ``resolve`` gives the value of a variable as plain data (see ``plain``), and is called
        once for each.

        Raises InvalidManifest naming the template, the line and what is undefined or wrong there.
        """
        known: dict[str, Any] = {}

        def lookup(name: str) -> Any:
            if name not in known:
                known[name] = resolve(name) if defined(name) else missing
            return known[name]

        self._env.globals[_LOOKUP] = lookup
        return {name: self._render(name) for name in names}

    def _render(self, name: str) -> str:
        try:
            return self._env.get_template(name).render()
        except jinja2.TemplateNotFound as error:
            raise InvalidManifest(
                f"There is no template {error.name}.", "Check the name and the role's templates/."
            ) from error
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


def _bytecode_cache() -> jinja2.BytecodeCache | None:
    """Compiled templates, kept between runs in a folder that only this user can write; none where there is none."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "multi-agent-platform" / "templates"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = folder.stat()
    except (OSError, RuntimeError):
        return None
    if status.st_uid != os.getuid() or status.st_mode & 0o022 or not os.access(folder, os.W_OK):
        return None  # what somebody else can write is not executed
    return jinja2.FileSystemBytecodeCache(str(folder))
