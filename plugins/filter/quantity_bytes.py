"""The filter multi_agent.platform.quantity_bytes: a Kubernetes quantity as a whole number, or a share of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.platform import quantity

DOCUMENTATION = r"""
name: quantity_bytes
short_description: A Kubernetes quantity as a whole number of bytes
version_added: 0.1.0
author: The multi_agent.platform authors
description:
  - For programs that know Kubernetes' notation not at all, or half of it.
positional: _input
options:
  _input:
    description: A quantity, such as C(512Mi).
    type: str
    required: true
  percent:
    description: How much of it, rounded down.
    type: int
    default: 100
"""

EXAMPLES = r"""
- name: Four fifths of a memory limit, for Go's runtime
  ansible.builtin.debug:
    msg: "{{ '512Mi' | multi_agent.platform.quantity_bytes(percent=80) }}"
"""

RETURN = r"""
_value:
  description: Bytes.
  type: int
"""


def quantity_bytes(value: Any, percent: int = 100) -> int:
    """Whole bytes of a share of a quantity, rounded down. Raises AnsibleFilterError for what is no quantity."""
    try:
        return int(quantity.parse(value).amount * percent / 100)
    except quantity.QuantityError as error:
        raise AnsibleFilterError(f"{error}.") from None


class FilterModule:
    """Filters of this file, as Ansible looks them up."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"quantity_bytes": quantity_bytes}
