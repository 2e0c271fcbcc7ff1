# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_drill
short_description: Restores a backup into stores of its own and compares it
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Starts a Job as the CronJob C(restore-drill) would. Its pod has a Postgres, a Qdrant and a NATS of its own, which
    go with it, and reaches no other.
  - Compares checksums, rows, points, messages and the content of the database, and reports RPO and RTO.
  - Fails where anything differs.
options:
  backup:
    description:
      - Name of the backup, V(latest) for the newest.
    type: str
    default: latest
  wait_timeout:
    description:
      - Seconds to wait at most; the job itself goes on.
    type: int
    default: 14400
  report:
    description:
      - File that the report is written to, as JSON.
    type: path
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
attributes:
  check_mode:
    description: Says what would be restored, and starts nothing.
    support: full
  diff_mode:
    description: Its own output shows what there is to see.
    support: none
"""

EXAMPLES = r"""
- name: Backup can be restored
  multi_agent.platform.restore_drill:
    namespace: multi-agent
    report: drill.json
"""

RETURN = r"""
drill:
  description:
    - Checks by name, the backup, C(rpo_seconds), C(longest_gap_seconds), C(rto_seconds) and C(rto_with_start_seconds).
  returned: always
  type: dict
"""
