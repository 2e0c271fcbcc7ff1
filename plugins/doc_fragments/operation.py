"""Documentation of what the operator's verbs have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The namespace, and where options come from; what a verb that only reads or that waits has beyond that."""

    DOCUMENTATION = r"""
options:
  namespace:
    description:
      - Namespace of the platform. The variable C(platform_namespace) where it is left out.
    type: str
    required: true
attributes:
  diff_mode:
    description: Its own output shows what there is to see.
    support: none
"""

    READS = r"""
attributes:
  check_mode:
    description: Writes nothing at any time.
    support: full
"""

    WAITS = r"""
options:
  wait:
    description:
      - Whether to wait until the outcome is there, or ends with what keeps it away.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait at most, for each tier where there are several.
    type: int
    default: 600
"""
