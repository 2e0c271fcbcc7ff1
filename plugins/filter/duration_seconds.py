"""The filter multi_agent.platform.duration_seconds: a duration of the Gateway API in whole seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.platform import duration

DOCUMENTATION = r"""
name: duration_seconds
short_description: A duration of the Gateway API in whole seconds
version_added: 0.1.0
author: The multi_agent.platform authors
description:
  - For programs that take seconds alone, such as ingress controllers in their annotations.
positional: _input
options:
  _input:
    description: A duration, such as C(1h30m); see U(https://gateway-api.sigs.k8s.io/geps/gep-2257/).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: An idle limit for an annotation
  ansible.builtin.debug:
    msg: "{{ '1h30m' | multi_agent.platform.duration_seconds }}"
"""

RETURN = r"""
_value:
  description: Seconds, rounded up.
  type: int
"""


def duration_seconds(value: Any) -> int:
    """Whole seconds, rounded up. Raises AnsibleFilterError for what is not a duration."""
    length = duration.milliseconds(value)
    if length is None:
        raise AnsibleFilterError(f"{value!r} is not a duration. {duration.FORMAT}.")
    return -(-length // 1000)


class FilterModule:
    """Filters of this file, as Ansible looks them up."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"duration_seconds": duration_seconds}
