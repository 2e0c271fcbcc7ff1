# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Makes a backup of the stores and the credentials now
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Starts a Job as the CronJob C(backup) would, and waits for its end. It dumps Postgres, takes snapshots of every
    collection and node of Qdrant and of every stream of NATS, encrypts the credentials, and writes a manifest with
    checksums last.
  - The Job counts as one of the CronJob, so that its history and its time of the last success tell of it.
options:
  reason:
    description:
      - Why it is made; the list of backups shows it.
    type: str
    default: asked for
  wait_timeout:
    description:
      - Seconds to wait at most; the job itself goes on.
    type: int
    default: 14400
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
attributes:
  check_mode:
    description: Says that a backup would be made, and makes none.
    support: full
  diff_mode:
    description: Its own output shows what there is to see.
    support: none
"""

EXAMPLES = r"""
- name: Backup is complete
  multi_agent.platform.backup:
    namespace: multi-agent
"""

RETURN = r"""
backup:
  description: Name, times, size, parts and counts of the backup.
  returned: outside of check mode
  type: dict
"""
