"""The pages that are made: one of all variables, one a plugin, and their index; the index of the decisions."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import yaml

from .markup import paragraphs, sentence
from .sources import COLLECTION, DOCS, ROLES, ROOT, Default, Section, documentation, sections

_MADE = "<!-- Made by `make docs` from argument specs, defaults, plugins and decisions: change those instead. -->\n"
# Headings of the decisions, by the hundreds of their numbers.
_HUNDREDS = {
    0: "The project and its engine",
    1: "Clusters, tools and tests",
    2: "Catalogue and inputs",
    3: "Roles and manifests",
    4: "Reference service",
    5: "Faults",
    6: "Speed",
    7: "Verification, on real pods",
    8: "Releases and verbs",
    9: "Images, backups, rotation, and how a run ends",
}
_LONGEST_INLINE = 60

Spec = Mapping[str, Any]


def pages() -> dict[str, str]:
    """Path below docs/ -> text."""
    kinds = {"module": _names("modules"), "filter": _names("filter")}
    found = {kind: documentation(kind, names) for kind, names in kinds.items()}
    roles = documentation("role", ROLES)
    texts = {
        f"reference/{kind}-{name}.md": _plugin(kind, name, documented)
        for kind, plugins in found.items()
        for name, documented in plugins.items()
    }
    texts["reference/variables.md"] = _variables(roles)
    texts["reference/README.md"] = _index(found, roles)
    texts["decisions/README.md"] = _decisions()
    return {name: f"{_MADE}\n{text.rstrip()}\n" for name, text in sorted(texts.items())}


def _names(folder: str) -> list[str]:
    return sorted(file.stem for file in (ROOT / "plugins" / folder).glob("[!_]*.py"))


def _entry(role: Mapping[str, Any]) -> Spec:
    """The only entry point of a role."""
    (entry,) = role["entry_points"].values()
    return entry  # type: ignore[no-any-return]


def _index(plugins: Mapping[str, Mapping[str, Any]], roles: Mapping[str, Any]) -> str:
    lines = ["# Reference", "", "## Plugins", "", "| plugin | kind | what it does |", "|---|---|---|"]
    for kind, documented in plugins.items():
        for name, page in documented.items():
            title = sentence(page["doc"]["short_description"])
            lines.append(f"| [`{COLLECTION}.{name}`]({kind}-{name}.md) | {kind} | {title} |")
    lines += [
        "",
        "## Variables",
        "",
        "[All on one page](variables.md).",
        "",
        "| role | what it is for | variables |",
        "|---|---|---|",
    ]
    for name, role in roles.items():
        variables = ", ".join(
            f"[`{default.name}`](variables.md#{default.name})"
            for section in sections(name)
            for default in section.defaults
        )
        lines.append(
            f"| [`{name}`](variables.md#role-{name}) | {sentence(_entry(role)['short_description'])} | {variables} |"
        )
    return "\n".join(lines)


def _decisions() -> str:
    lines = ["# Decisions", "", "Why things are as they are, a short page each. A decision that is revised says so."]
    hundred = -1
    for file in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        number, _, title = file.read_text().splitlines()[0].removeprefix("# ").partition(" ")
        if int(number[:2]) != hundred:
            hundred = int(number[:2])
            lines += ["", f"## {_HUNDREDS[hundred]}", ""]
        lines.append(f"- [{number[:4]}]({file.name}) {title}")
    return "\n".join(lines)


# --- variables --------------------------------------------------------------------------------------------------------


def _variables(roles: Mapping[str, Any]) -> str:
    lines = [
        "# Variables",
        "",
        "Every variable of every role, with its default. Set what differs in `inventories/<env>/group_vars/all/`.",
        "A variable that begins with a role's name and is not listed here is refused.",
        "",
    ]
    for name, role in roles.items():
        entry = _entry(role)
        lines += [f"## Role {name}", "", paragraphs(entry["description"]), ""]
        found = sections(name)
        for section in found:
            lines += list(_section(section, entry["options"], titled=len(found) > 1))
    return "\n".join(lines)


def _section(section: Section, options: Mapping[str, Spec], titled: bool) -> Iterator[str]:
    if titled:
        yield from (f"### {section.title}", "")
    for default in section.defaults:
        yield from _variable(default, options[default.name])


def _variable(default: Default, option: Spec) -> Iterator[str]:
    yield from (f"#### {default.name}", "", paragraphs(option["description"]), "")
    yield f"Type: {_type(option)}."
    short = _inline(default.value)
    if short:
        yield from ("", f"Default: {short}.")
    else:
        yield from ("", "Default:", "", "```yaml", default.text, "```")
    if nested := option.get("options"):
        yield from ("", *_nested(nested, 0))
    if default.example:
        yield from ("", "Example:", "", "```yaml", default.example, "```")
    yield ""


def _type(option: Spec) -> str:
    kind = option.get("type", "str")
    text = f"list of {option['elements']}" if kind == "list" and "elements" in option else str(kind)
    if choices := option.get("choices"):
        text += f", one of {', '.join(f'`{choice}`' for choice in choices)}"
    return text


def _inline(value: Any) -> str:
    """A default that fits into a line; empty for one that needs a block."""
    if value in ("", None):
        return "empty"
    text = _flow(value)
    return f"`{text}`" if len(text) <= _LONGEST_INLINE else ""


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def _nested(options: Mapping[str, Spec], depth: int) -> Iterator[str]:
    for name, option in options.items():
        facts = [_type(option)]
        if option.get("required"):
            facts.append("required")
        if option.get("default") not in (None, "", [], {}):
            facts.append(f"default `{_flow(option['default'])}`")
        if option.get("aliases"):
            facts.append(f"alias {', '.join(f'`{alias}`' for alias in option['aliases'])}")
        yield f"{'  ' * depth}- `{name}` ({', '.join(facts)}): {sentence(option['description'])}"
        yield from _nested(option.get("suboptions") or option.get("options") or {}, depth + 1)


# --- plugins ----------------------------------------------------------------------------------------------------------


def _plugin(kind: str, name: str, documented: Spec) -> str:
    doc = documented["doc"]
    lines = [f"# {COLLECTION}.{name} ({kind})", "", sentence(doc["short_description"]) + ".", ""]
    lines += [paragraphs(doc["description"]), ""]
    for title, key in (("Requirements", "requirements"), ("Notes", "notes")):
        if doc.get(key):
            lines += [f"## {title}", "", *(f"- {sentence(text)}" for text in doc[key]), ""]
    if doc.get("options"):
        lines += ["## Options", "", *_nested(_ordered(doc["options"]), 0), ""]
    if doc.get("attributes"):
        lines += ["## Attributes", ""]
        lines += [
            f"- `{key}`: {value['support']}. {sentence(value['description'])}"
            for key, value in doc["attributes"].items()
        ]
        lines.append("")
    if documented.get("examples"):
        lines += ["## Examples", "", "```yaml", documented["examples"].strip(), "```", ""]
    if documented.get("return"):
        lines += ["## Return values", "", *_returned(documented["return"], 0), ""]
    return "\n".join(lines)


def _ordered(options: Mapping[str, Spec]) -> dict[str, Spec]:
    """The plugin's own options first, then those of the connection, which its fragment brings."""
    connection = _connection()
    return dict(sorted(options.items(), key=lambda item: item[0] in connection))


def _connection() -> frozenset[str]:
    fragment = import_module("plugins.doc_fragments.connection").ModuleDocFragment
    return frozenset(yaml.safe_load(fragment.DOCUMENTATION)["options"])


def _returned(values: Mapping[str, Spec], depth: int) -> Iterator[str]:
    for name, value in values.items():
        returned = f", returned {value['returned']}" if value.get("returned") else ""
        sample = f" Sample: `{value['sample']}`." if value.get("sample") is not None else ""
        yield f"{'  ' * depth}- `{name}` ({_type(value)}{returned}): {sentence(value['description'])}{sample}"
        yield from _returned(value.get("contains") or {}, depth + 1)
