# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: top
short_description: Shows what pods use of CPU and memory
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Prints CPU and memory of each pod, with their shares of request and limit. Needs metrics-server.
options:
  part:
    description:
      - Name of a part in the catalogue, or of a store. The whole platform where left out.
    type: str
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.reads
"""

EXAMPLES = r"""
- name: Use is on the screen
  multi_agent.platform.top:
    namespace: multi-agent
"""

RETURN = r"""
pods:
  description: A row a pod; CPU in millicores, memory in bytes.
  returned: always
  type: list
  elements: dict
"""
