# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: scale
short_description: Sets the number of pods of a part that no autoscaler owns
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Refuses where an autoscaler or the inventory owns the number, and says how to change it there.
options:
  part:
    description:
      - Name of a part in the catalogue, or of a store. Has to be given.
    type: str
  replicas:
    description:
      - Number of pods, 0 or more. Has to be given.
    type: int
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.waits
attributes:
  check_mode:
    description: Asks the server by dry run.
    support: full
"""

EXAMPLES = r"""
- name: Worker runs in three pods
  multi_agent.platform.scale:
    namespace: multi-agent
    part: worker
    replicas: 3
"""

RETURN = r"""
replicas:
  description: Number of pods that was set.
  returned: always
  type: int
"""
