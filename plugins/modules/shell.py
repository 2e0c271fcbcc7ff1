# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: shell
short_description: Opens a shell in a pod of a part, or runs a command there
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Takes a pod that is ready where there is one.
options:
  part:
    description:
      - Name of a part in the catalogue, or of a store. Has to be given.
    type: str
  command:
    description:
      - Program and arguments to run instead of a shell. The task fails where its exit code is not 0.
    type: list
    elements: str
    default: []
  terminal:
    description:
      - Path of the user's terminal (what C(tty) prints) to connect the shell with.
    type: path
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
attributes:
  check_mode:
    description: Runs the command all the same.
    support: none
"""

EXAMPLES = r"""
- name: Files of the agent are on the screen
  multi_agent.platform.shell:
    namespace: multi-agent
    part: agent
    command: [ls, -l, /]
"""

RETURN = r"""
pod:
  description: Name of the pod.
  returned: always
  type: str
rc:
  description: Exit code of the command.
  returned: always
  type: int
"""
