"""Documentation of what the operator's verbs have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The namespace, and where options come from."""

    DOCUMENTATION = r"""
options:
  namespace:
    description:
      - Namespace of the platform. The variable C(platform_namespace) where it is left out.
    type: str
    required: true
"""
