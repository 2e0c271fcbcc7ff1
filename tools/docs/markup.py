"""Ansible's documentation markup as Markdown.

https://docs.ansible.com/ansible/latest/dev_guide/ansible_markup.html
"""

import re
from collections.abc import Callable

from .sources import COLLECTION

_MARK = re.compile(r"\b(RV|[BCEILMOPUV])\(((?:\\.|[^)\\])*)\)")
_BARE = re.compile(r"(`[^`]*`)|<([^<>`]+)>")


def markdown(text: str) -> str:
    """``text`` with its markup replaced. What looks like a tag of HTML becomes visible text."""
    marked = _MARK.sub(lambda match: _RENDER[match[1]](match[2].replace("\\", "")), text)
    return _BARE.sub(lambda match: match[1] or f"&lt;{match[2]}&gt;", marked)


def paragraphs(text: str | list[str]) -> str:
    """A description, which may be one text or several, as paragraphs."""
    return "\n\n".join(markdown(part) for part in ([text] if isinstance(text, str) else text))


def sentence(text: str | list[str]) -> str:
    """A description in one line, for lists and tables."""
    return paragraphs(text).replace("\n\n", " ")


def _option(text: str) -> str:
    plugin, _, name = text.rpartition(":")
    return f"[`{name}`](variables.md#{name})" if plugin.endswith("#role") else f"`{name}`"


def _plugin(text: str) -> str:
    name, _, kind = text.partition("#")
    if not name.startswith(f"{COLLECTION}."):
        return f"`{name}`"
    return f"[`{name}`]({kind}-{name.rpartition('.')[2]}.md)"


def _link(text: str) -> str:
    title, _, url = text.rpartition(",")
    return f"[{title.strip()}]({url.strip()})"


_RENDER: dict[str, Callable[[str], str]] = {
    "B": lambda text: f"**{text}**",
    "C": lambda text: f"`{text}`",
    "E": lambda text: f"`{text}`",
    "I": lambda text: f"*{text}*",
    "L": _link,
    "M": lambda text: _plugin(f"{text}#module"),
    "O": _option,
    "P": _plugin,
    "RV": lambda text: f"`{text}`",
    "U": lambda text: f"<{text}>",
    "V": lambda text: f"`{text}`",
}
