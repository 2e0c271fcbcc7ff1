# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: expand_storage
short_description: Grows the claims of StatefulSets with their data in place
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Grows the claims of each StatefulSet to the wanted size and waits until they have it. No StatefulSet is touched; its
    tier replaces it afterwards (O(multi_agent.platform.apply#module:grow_volumes)), as C(playbooks/expand_storage.yml)
    does.
  - Refuses, before anything is written, a volume that would shrink and a StorageClass that does not let volumes grow.
options:
  sizes:
    description:
      - Wanted size of the volumes of each StatefulSet, by its name, as Kubernetes quantities.
    type: dict
    required: true
  tiers:
    description:
      - Tiers that the play applies too. If a run would change anything in them but what follows from the sizes, the
        module fails and names it.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.waits
attributes:
  check_mode:
    description: Shows what would grow.
    support: full
"""

EXAMPLES = r"""
- name: Volumes of Postgres have 20Gi
  multi_agent.platform.expand_storage:
    namespace: multi-agent
    sizes:
      postgres: 20Gi
"""

RETURN = r"""
actions:
  description: What was done, a line each.
  returned: always
  type: list
  elements: str
restart:
  description: Claims whose file system grows only when their pod restarts.
  returned: always
  type: list
  elements: str
"""
