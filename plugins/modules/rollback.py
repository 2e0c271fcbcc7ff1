# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: Brings an earlier release back
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Applies the manifests of an earlier release as a run of site.yml would, waits until everything is ready, deletes
    what came later, and records that as a release of its own.
  - Credentials stay as they are now; a rotated password does not come back.
  - The tiers datastores and nats stay as they are unless O(tiers) names them. If nothing else differs, the module fails
    and says which command brings them back. Database schemas are never changed; no migration runs, and those that ran
    since are named.
  - Volumes, claims and what a quota allows of resources that are in use are not made smaller; what stays is named, and
    recorded with the release.
  - Everything is read and checked before anything is written.
options:
  to:
    description:
      - Number of the release. By default the newest one before the last that did not fail; if the last did not fail
        either, the newest of those that differs from it.
    type: int
  tiers:
    description:
      - Tiers to bring back, and no other; V(all) means all of the release. By default all but those that hold data.
    type: list
    elements: str
    default: []
  data_tiers:
    description:
      - Tiers that hold data and are to be brought back too. Deprecated; use O(tiers).
    type: list
    elements: str
    default: []
  prove:
    description:
      - Whether the version that is brought back of a workload that keeps data is proven before any of its pods is
        replaced, as in M(multi_agent.platform.apply).
    type: bool
    default: true
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.waits
attributes:
  check_mode:
    description: Shows what would change by server-side dry run.
    support: full
"""

EXAMPLES = r"""
- name: The release before the last is back
  multi_agent.platform.rollback:
    namespace: multi-agent

- name: Bring the datastores of release 7 back
  multi_agent.platform.rollback:
    namespace: multi-agent
    to: 7
    tiers: [datastores]
"""

RETURN = r"""
release:
  description: Number of the release that is back.
  returned: always
  type: int
counts:
  description: How many objects were created, configured and so on.
  returned: always
  type: dict
left_out:
  description: Tiers with data that differ or failed, and stay as they are.
  returned: always
  type: list
  elements: str
"""
