# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: dev
short_description: Describes the inner loop for the tool that runs it
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Writes a file that says what C(make dev) watches, builds, deploys, forwards and shows. It holds no secret.
  - Refuses what cannot be built, ports of unknown parts, and more than one cluster.
  - The options of M(multi_agent.platform.images) are filled from the variables of its role.
options:
  ports:
    description: Ports of this machine, by part or store.
    type: dict
    required: true
  description:
    description: File that is written.
    type: path
    required: true
extends_documentation_fragment:
  - multi_agent.platform.images
attributes:
  check_mode:
    description: Writes its file all the same.
    support: none
  diff_mode:
    description: There is nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: Inner loop is described
  multi_agent.platform.dev:
    ports: {gateway: 3000}
    description: /tmp/loop.json
"""

RETURN = r"""
changed:
  description: Always; the file was written.
  returned: success
  type: bool
"""
