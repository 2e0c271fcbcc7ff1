# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: logs
short_description: Shows the logs of a part, or of all, in one stream
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Prints each line after its pod's name, in the order of time over all pods.
  - A pod whose log cannot be read is a line that says why.
options:
  part:
    description:
      - Name of a part in the catalogue, or of a store. The whole platform where left out.
    type: str
  follow:
    description:
      - Whether to go on until interrupted. Pods that come are joined, streams that break are resumed.
    type: bool
    default: false
  since:
    description:
      - Only lines that are not older than this, such as V(90s), V(10m), V(2h) or V(1d).
    type: str
    default: ""
  tail:
    description:
      - The last lines of each pod, at most this many.
    type: int
    default: 100
  previous:
    description:
      - Whether to read the log of the run before, of a container that crashed.
    type: bool
    default: false
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.reads
"""

EXAMPLES = r"""
- name: Logs of the agent are on the screen
  multi_agent.platform.logs:
    namespace: multi-agent
    part: agent
    since: 10m
"""

RETURN = r"""
lines:
  description: How many lines were shown.
  returned: without O(follow)
  type: int
"""
