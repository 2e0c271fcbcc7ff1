# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Brings the data of a backup back, whole or a part
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Refuses before anything is written what cannot be restored, such as an unknown, corrupt or newer backup, one of
    another platform, or of another number of Qdrant nodes.
  - Refuses to replace live data unless O(name) is its namespace, and to run beside another restore or a backup.
  - Suspends the schedule of backups, stops what uses the stores, makes a backup of what is there, restores, and starts
    everything as it was.
  - Where it fails before anything live was replaced, everything is started again. Where something may have been
    replaced, everything stays stopped, until it is restored again or M(multi_agent.platform.restart) starts it.
  - Postgres grows in a second database that takes the place of the live one when it is complete.
options:
  backup:
    description:
      - Name of the backup, V(latest) for the newest. Has to be given.
    type: str
  parts:
    description:
      - What to restore, of V(postgres), V(qdrant), V(nats) and V(credentials). All but credentials where it is left
        out.
      - Credentials are restored alone. Only what the live Secret lacks is written.
    type: list
    elements: str
    default: []
  inspect:
    description:
      - Whether only to check the backup and to say what is live.
    type: bool
    default: false
  name:
    description:
      - The namespace, typed by whoever wants its data to be replaced.
    type: str
    default: ''
  users:
    description:
      - Names of the Deployments that use each store. They are stopped meanwhile.
    type: dict
    default: {}
  keep:
    description:
      - Whether to make a backup of what is there before it is replaced.
    type: bool
    default: true
  identity_file:
    description:
      - File with the private key of age, as C(age-keygen) writes it, where credentials are restored.
    type: path
    default: ''
  wait_timeout:
    description:
      - Seconds to wait at most; the job itself goes on.
    type: int
    default: 14400
  pods_timeout:
    description:
      - Seconds that pods may take to end, and to be ready again.
    type: int
    default: 600
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
attributes:
  check_mode:
    description: Checks the backup and says what would be replaced.
    support: full
  diff_mode:
    description: Its own output shows what there is to see.
    support: none
"""

EXAMPLES = r"""
- name: Database is as it was
  multi_agent.platform.restore:
    namespace: multi-agent
    backup: latest
    parts: [postgres]
    name: multi-agent
"""

RETURN = r"""
live:
  description: Whether live data would be replaced.
  returned: with O(inspect)
  type: bool
restored:
  description: What was restored.
  returned: after a restore
  type: dict
kept:
  description: Name of the backup that was made before.
  returned: after a restore
  type: str
"""
