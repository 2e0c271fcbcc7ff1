"""The filter multi_agent.platform.credential_keys: derived credentials made into what the apply action resolves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.platform.reader import to_boolean

DOCUMENTATION = r"""
name: credential_keys
short_description: Say of each credential whether it may be generated
version_added: 0.1.0
author: The multi_agent.platform authors
description:
  - Adds C(generate) to each credential of the derived model. Internal ones always may be generated, others where the
    environment says so.
positional: _input
options:
  _input:
    description: The C(credentials) of the model that P(multi_agent.platform.catalogue#filter) derives.
    type: list
    elements: dict
    required: true
  generate:
    description: Whether credentials that staging and prod demand are generated.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: What the apply action may make up
  ansible.builtin.debug:
    msg: "{{ __platform_catalogue.credentials | multi_agent.platform.credential_keys | selectattr('generate') }}"
"""

RETURN = r"""
_value:
  description: The credentials, each with C(name), C(kind), C(min_length), C(used_by) and C(generate).
  type: list
  elements: dict
"""


def credential_keys(credentials: list[dict[str, Any]], generate: Any = False) -> list[dict[str, Any]]:
    """Each credential with whether it may be generated."""
    everything = to_boolean(generate)
    if everything is None:
        raise AnsibleFilterError(f"generate = {generate}: is neither true nor false. Write true or false.")
    return [{**credential, "generate": everything or credential["kind"] == "internal"} for credential in credentials]


class FilterModule:
    """Filters of this file, as Ansible looks them up."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"credential_keys": credential_keys}
