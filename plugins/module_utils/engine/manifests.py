"""From text or data to Kubernetes objects: parsed, checked for shape, completed and in the order of their waves."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from . import yamltext
from .errors import InvalidManifest
from .kinds import wave

Object = dict[str, Any]
Identity = tuple[str, str, str, str]  # group, kind, namespace, name

# RFC 1123 subdomain, which is what most kinds ask of metadata.name.
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# RBAC and a few others allow any path segment.
_SEGMENT = re.compile(r"(?!\.{1,2}\Z)[^/%]+")
_FREE_NAMES = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
# Maps of texts beside those of metadata.
_TEXTS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("v1", "ConfigMap"): ("data", "binaryData"),
    ("v1", "Secret"): ("data", "stringData"),
}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain scalars as yamltext reads them, and no key twice in one mapping."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        # Checked before: a mapping that others merge comes again, with the keys that it merged itself.
        self._checked: dict[int, yaml.MappingNode] = {}

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge ``<<``. A merged key may be given again, as an override; another may not."""
        if id(node) not in self._checked:
            self._checked[id(node)] = node
            seen: set[Any] = set()
            for key, _ in node.value:
                if key.tag != _MERGE and isinstance(key, yaml.ScalarNode):
                    if key.value in seen:
                        raise yaml.MarkedYAMLError(problem=f"key {key.value!r} twice", problem_mark=key.start_mark)
                    seen.add(key.value)
        super().flatten_mapping(node)


_CORE = "tag:yaml.org,2002:"
_MERGE = f"{_CORE}merge"


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    kept = {f"{_CORE}null", _MERGE}
    table = {
        first: [(tag, pattern) for tag, pattern in rules if tag in kept]
        for first, rules in _Loader.yaml_implicit_resolvers.items()
    }
    for first in "tTfF":
        table.setdefault(first, []).append((f"{_CORE}bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")))
    for first in "-+.0123456789":
        table.setdefault(first, []).extend([(f"{_CORE}int", yamltext.INTEGER), (f"{_CORE}float", yamltext.FLOAT)])
    return table


_Loader.yaml_implicit_resolvers = _resolvers()
for _tag in ("binary", "timestamp", "set", "omap", "pairs"):
    _Loader.add_constructor(f"{_CORE}{_tag}", yaml.SafeLoader.construct_undefined)

# Values of one template with its aliases resolved. The shipped catalogue of 100 services has some 60,000.
_MOST_VALUES = 1_000_000


def parse(text: str, source: str) -> list[Object]:
    """The objects of a YAML text, any number of documents; ``List`` kinds are opened, empty documents left out.

    Raises InvalidManifest naming ``source``, the line and what is wrong there.
    """
    try:
        loaded = yamltext.load(text)
        if loaded is None:
            loaded = list(yaml.load_all(text, Loader=_Loader))
    except (ValueError, TypeError) as error:  # a tag that its value does not fit: !!int x
        raise InvalidManifest(
            f"{source}: rendered is not valid YAML: {type(error).__name__} for a value with a tag.",
            "Remove the tag (!!int and the like) from the template.",
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        at = f" line {mark.line + 1}" if mark else ""
        shown = _excerpt(text, mark.line) if mark else ""
        raise InvalidManifest(
            f"{source}: rendered{at} is not valid YAML: {problem}.{shown}", "Mend the template at that place."
        ) from None
    if "&" in text:
        _check_aliases(loaded, source)
    return collect((document for document in loaded if document is not None), source)


def _check_aliases(loaded: list[Any], source: str) -> None:
    """Refuse aliases that contain themselves or that a few lines multiply into millions of values."""
    sizes: dict[int, int | None] = {}

    def size(value: Any) -> int:
        if not isinstance(value, dict | list):
            return 1
        if id(value) in sizes:
            known = sizes[id(value)]
            if known is None:
                raise InvalidManifest(f"{source}: an alias contains itself.", "Write the value in full instead.")
            return known
        sizes[id(value)] = None
        total = 1 + sum(map(size, value.values() if isinstance(value, dict) else value))
        sizes[id(value)] = total
        return total

    if (total := size(loaded)) > _MOST_VALUES:
        raise InvalidManifest(
            f"{source}: its aliases make {total} values, more than {_MOST_VALUES}.", "Use fewer nested aliases."
        )


def _excerpt(text: str, line: int) -> str:
    """The rendered line, unless it may hold a credential."""
    lines = text.splitlines()
    # What is broken may also be the part that says where a Secret begins: one anywhere in the text is enough.
    if line >= len(lines) or re.search(r"""kind["']?\s*:\s*["']?Secret\b""", text):
        return ""
    return f" There: {lines[line].strip()[:120]}"


def collect(documents: Iterable[Any], source: str) -> list[Object]:
    """Objects out of parsed documents. Raises InvalidManifest."""
    objects: list[Object] = []
    for number, document in enumerate(documents, start=1):
        where = f"{source}: document {number}"
        if not isinstance(document, Mapping):
            raise InvalidManifest(
                f"{where} is {type(document).__name__}, not an object.", "Begin it with apiVersion and kind."
            )
        if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
            objects.extend(collect(document["items"], where))
        else:
            objects.append(dict(document))
    return objects


def prepare(objects: Iterable[Object], source: str, namespaced: Any, namespace: str | None) -> list[Object]:
    """Checked and completed objects, in the order in which they are applied.

    ``namespaced(api_version, kind)`` says whether a kind lives in a namespace (None: unknown). Nulls are dropped, as a
    server-side apply of them would own fields without a value; keys become text; ``stringData`` becomes ``data``.

    Raises InvalidManifest for a missing or malformed part and for two objects of one identity.
    """
    prepared: dict[Identity, Object] = {}
    for obj in objects:
        _check(obj, source)
        metadata = obj["metadata"]
        if namespaced(obj["apiVersion"], obj["kind"]) is False:
            metadata.pop("namespace", None)
        elif not metadata.get("namespace") and namespace:
            metadata["namespace"] = namespace
        if obj["kind"] == "Secret" and obj["apiVersion"] == "v1":
            _encode(obj, source)
        key = identity(obj)
        if key in prepared:
            raise InvalidManifest(f"{source}: {describe(obj)} is there twice.", "Give one of them another name.")
        try:
            prepared[key] = completed(obj)
        except _NoTextError as error:
            raise InvalidManifest(
                f"{source}: {describe(obj)} has the key {error.args[0]!r}, which is not a string.", "Quote it."
            ) from None
    return sorted(prepared.values(), key=lambda o: wave(o["kind"]))


def _check(obj: Object, source: str) -> None:
    for part in ("apiVersion", "kind"):
        if not isinstance(obj.get(part), str) or not obj[part]:
            raise InvalidManifest(
                f"{source}: an object has no {part} (it has {', '.join(sorted(map(str, obj)))}).", f"Add {part}."
            )
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or name is None or name == "":
        raise InvalidManifest(f"{source}: a {obj['kind']} has no metadata.name.", "Server-side apply needs a name.")
    if not isinstance(name, str):
        raise InvalidManifest(f"{source}: metadata.name of a {obj['kind']} is {name!r}, not a string.", "Quote it.")
    if obj["kind"] in _FREE_NAMES:
        if not _SEGMENT.fullmatch(name):
            raise InvalidManifest(
                f"{source}: metadata.name {name!r} of a {obj['kind']} cannot be part of a path.",
                "Leave out '/' and '%'.",
            )
    elif not _NAME.fullmatch(name):
        raise InvalidManifest(
            f"{source}: metadata.name {name!r} of a {obj['kind']} is not a DNS name.",
            "Use at most 253 lower case letters, digits, '-' and '.'; begin and end with a letter or digit.",
        )
    for part in ("labels", "annotations"):
        if metadata.get(part):
            _check_texts(metadata[part], f"metadata.{part}", obj, source)
    for part in _TEXTS.get((obj["apiVersion"], obj["kind"]), ()):
        _check_map(obj.get(part), part, obj, source)


def _check_texts(values: Any, field: str, obj: Object, source: str) -> None:
    _check_map(values, field, obj, source)
    for key, value in values.items():
        if not isinstance(value, str):
            raise InvalidManifest(
                f"{source}: {field}.{key} of {describe(obj)} is {value!r}, not a string.",
                "Quote it in the template, or pipe it through to_json.",
            )


def _check_map(value: Any, field: str, obj: Object, source: str) -> None:
    if value and not isinstance(value, dict):
        raise InvalidManifest(
            f"{source}: {field} of {describe(obj)} is a {type(value).__name__}, not a map.",
            "Write it as keys with their values.",
        )


def _encode(secret: Object, source: str) -> None:
    """Of what is not as it should be only the key is named, never the value."""
    data = secret.get("data") or {}
    for key, value in data.items():
        if value is not None and not isinstance(value, str):
            raise InvalidManifest(
                f"{source}: data.{key} of {describe(secret)} is not a string.",
                "Put the value as it is below stringData, or encode it: | b64encode.",
            )
    encoded = {}
    for key, value in (secret.pop("stringData", None) or {}).items():
        # A number is written as it stood in the template; 1.10 and TRUE would not be.
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise InvalidManifest(
                f"{source}: stringData.{key} of {describe(secret)} is neither a string nor a whole number.",
                "Quote it in the template.",
            )
        if value is not None:
            encoded[key] = base64.b64encode(str(value).encode()).decode()
    if encoded:
        secret["data"] = {**data, **encoded}


class _NoTextError(Exception):
    """A key that would not be the same as text."""


def completed(value: Any) -> Any:
    """A copy without null members of objects, and with keys that are text, at any depth."""
    if isinstance(value, dict):
        return {
            key if type(key) is str else _text(key): completed(item) for key, item in value.items() if item is not None
        }
    if isinstance(value, list):
        return [completed(item) for item in value]
    return value


def _text(key: Any) -> str:
    """A whole number is the same as text; 1.10, TRUE and null are not."""
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise _NoTextError(key)
    return str(key)


def identity(obj: Mapping[str, Any]) -> Identity:
    """What makes an object the same object in any version of its group."""
    metadata = obj["metadata"]
    group = str(obj["apiVersion"]).rpartition("/")[0]
    return group, str(obj["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"])


def describe(obj: Mapping[str, Any]) -> str:
    """Kind and name, as people and kubectl name an object: ``Deployment gateway-service``."""
    return f"{obj['kind']} {obj['metadata']['name']}"


def secret_values(secret: Mapping[str, Any] | None) -> dict[str, str]:
    """What a live Secret holds, as text; empty where there is none. Bytes that are no UTF-8 are replaced."""
    data = (secret or {}).get("data") or {}
    return {key: base64.b64decode(value or "").decode("utf-8", "replace") for key, value in data.items()}
