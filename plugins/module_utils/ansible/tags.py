"""Which tiers ``--tags`` and ``--skip-tags`` leave."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

# Of https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_tags.html#special-tags
_EVERYTHING = frozenset({"all", "tagged", "untagged"})


def chosen(every: Iterable[str], variable: Callable[[str], Any], own: Collection[str] = ()) -> list[str]:
    """Of the tiers ``every`` those that are meant, in their order. ``variable`` gives Ansible's by name, or None.

    ``own``: the tags of the task; one that is no tier's name means all of them.
    """
    names = list(every)
    tags, skipped = ({str(word) for word in variable(f"ansible_{which}_tags") or ()} for which in ("run", "skip"))
    whole = (_EVERYTHING | set(own)) - {"always", *names}
    return [name for name in names if (not tags or name in tags or tags & whole) and name not in skipped]
