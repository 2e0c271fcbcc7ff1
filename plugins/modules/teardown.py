# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: teardown
short_description: Deletes volumes and releases that a teardown is told to delete
version_added: 0.2.0
author:
  - The multi_agent.platform authors
description:
  - Claims of StatefulSets and the record of releases belong to no tier, so that P(multi_agent.platform.apply#module)
    with O(multi_agent.platform.apply#module:state=absent) leaves them. The playbook C(teardown.yml) runs both.
  - Deletes only claims that are named, and none that lacks the label of the platform.
options:
  inspect:
    description:
      - Only list the claims.
    type: bool
    default: false
  claims:
    description:
      - Names of PersistentVolumeClaims to delete, with their data.
    type: list
    elements: str
    default: []
  releases:
    description:
      - Whether the record of all releases is deleted. Nothing can be rolled back to then.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait until claims are gone.
    type: int
    default: 120
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
attributes:
  check_mode:
    description: As with O(inspect).
    support: full
"""

EXAMPLES = r"""
- name: Delete the volume of NATS
  multi_agent.platform.teardown:
    claims: [data-nats-0]
"""

RETURN = r"""
claims:
  description: Names of the platform's claims with O(inspect), else of those that were deleted.
  returned: always
  type: list
  elements: str
foreign:
  description: With O(inspect), names of claims in the namespace that are not the platform's.
  returned: always
  type: list
  elements: str
"""
