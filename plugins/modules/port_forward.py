# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: port_forward
short_description: Forwards ports of parts to this machine until interrupted
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Listens on 127.0.0.1. Each connection goes to a pod that runs at that moment, so it outlives restarts of pods.
  - A port that is in use is said before any port is taken.
options:
  ports:
    description:
      - Local port by part; V(0) for the port that the part listens on.
    type: dict
    required: true
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
attributes:
  check_mode:
    description: Forwards all the same.
    support: none
"""

EXAMPLES = r"""
- name: Gateway and Postgres are on this machine
  multi_agent.platform.port_forward:
    namespace: multi-agent
    ports: {gateway: 3000, postgres: 15432}
"""

RETURN = r"""
changed:
  description: Never; nothing in the cluster changes.
  returned: always
  type: bool
"""
