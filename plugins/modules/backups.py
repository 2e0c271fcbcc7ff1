# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: backups
short_description: Lists the backups that there are
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Starts a Job that reads the manifests where backups are kept, a volume or a bucket, and shows them, newest first.
options:
  wait_timeout:
    description:
      - Seconds to wait at most.
    type: int
    default: 300
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
attributes:
  check_mode:
    description: Changes nothing of the platform; its Job goes by itself.
    support: full
  diff_mode:
    description: Its own output shows what there is to see.
    support: none
"""

EXAMPLES = r"""
- name: Backups are on the screen
  multi_agent.platform.backups:
    namespace: multi-agent
"""

RETURN = r"""
backups:
  description: The backups, newest first, each with name, times, size, parts and counts, or with its problem.
  returned: always
  type: list
  elements: dict
"""
