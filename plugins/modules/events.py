# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: events
short_description: Shows events, warnings first
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Prints the events of the platform, warnings first, then by part, the newest first.
options:
  part:
    description:
      - Name of a part in the catalogue, or of a store. The whole platform where left out.
    type: str
  since:
    description:
      - Only events that are not older than this, such as V(30m).
    type: str
    default: ""
  limit:
    description:
      - Events to show at most.
    type: int
    default: 50
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.reads
"""

EXAMPLES = r"""
- name: Warnings of the last half hour are on the screen
  multi_agent.platform.events:
    namespace: multi-agent
    since: 30m
"""

RETURN = r"""
events:
  description: All events that were found, beyond O(limit) too.
  returned: always
  type: list
  elements: dict
"""
