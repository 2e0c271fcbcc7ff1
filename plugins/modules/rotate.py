# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: rotate
short_description: Takes one step of a rotation of credentials
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Writes new values into the Secret C(platform-credentials) beside those in force, puts them in force, and gives the
    former ones up. The tiers are applied after each step; C(playbooks/rotate.yml) has all steps in their order.
  - A value that C(platform_credentials) gives is used, others are generated. No value is an option, a result or in the
    output.
  - What C(platform_credentials_from) takes from another Secret is left to its owner; if nothing else is named, the task
    fails.
  - A step that has been done is not done again, so that an interrupted rotation is run again from its beginning.
options:
  what:
    description:
      - What is rotated. V(postgres), the passwords of the parts' database roles. V(superuser), that of the database's
        superuser. V(nats), the passwords of the parts' NATS users. V(jwt), the key that tokens are signed with.
        V(qdrant), the API key of Qdrant. V(ai), the keys of providers outside, which are never generated.
    type: list
    elements: str
    default: []
  step:
    description:
      - V(prepare) adds new values, V(switch) puts them in force, V(drain) waits for the last pod that has the former
        ones, V(retire) takes those out of use, V(forget) removes them once the tiers have been applied.
    type: str
    choices: [prepare, switch, drain, retire, forget]
    required: true
  tiers:
    description:
      - Tiers that the play applies. If a run would change anything in them but the credentials that are rotated,
        V(prepare) fails before it writes, and names it.
    type: list
    elements: str
    default: []
  overlap:
    description:
      - Seconds that V(drain) waits longer where O(what) has V(jwt), for tokens that were signed with the former key.
    type: int
    default: 0
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
attributes:
  check_mode:
    description: Says what would be done.
    support: full
"""

EXAMPLES = r"""
- name: New values are ready
  multi_agent.platform.rotate:
    namespace: multi-agent
    what: [jwt, nats]
    step: prepare
"""

RETURN = r"""
credentials:
  description: Names of the credentials that are meant.
  returned: always
  type: list
  elements: str
"""
