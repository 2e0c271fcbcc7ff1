# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: restart
short_description: Replaces the pods of a part one by one
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Does what C(kubectl rollout restart) does, and waits until the new pods are ready or says why they are not.
  - V(all) restarts every Deployment; stores have to be named.
  - Fails if a part has no pods (C(spec.replicas) is 0) or its rollout is paused, after the others were restarted.
  - A part that M(multi_agent.platform.restore) stopped and did not start again is started, with as many pods as it had.
    With the last of them, and with V(all), backups are scheduled again. Refused while a restore or a backup is under
    way.
options:
  part:
    description:
      - Name of a part in the catalogue, or of a store. Has to be given.
    type: str
  prove:
    description:
      - Whether a store starts once more on a pod of its own before its pods are replaced, as in
        M(multi_agent.platform.apply). If it does not, nothing is restarted.
    type: bool
    default: true
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.waits
attributes:
  check_mode:
    description: Shows what would be restarted.
    support: full
"""

EXAMPLES = r"""
- name: Agent is new
  multi_agent.platform.restart:
    namespace: multi-agent
    part: agent
"""

RETURN = r"""
objects:
  description: What was restarted or started.
  returned: always
  type: str
"""
