# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: releases
short_description: Lists releases, shows one or compares two
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - A release is recorded in the cluster by every run that changed something. The last 20 are kept.
  - Holds who ran (the AWX user and job where there is one), when, the git revision of the inventory, versions, every
    changed object and the manifests, with the names of credentials in place of their values.
options:
  show:
    description:
      - Number of the release to show in full.
    type: int
  diff:
    description:
      - Two numbers of releases to compare; one number compares with the last.
    type: list
    elements: int
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.reads
"""

EXAMPLES = r"""
- name: Releases are on the screen
  multi_agent.platform.releases:
    namespace: multi-agent

- name: What the last release changed is on the screen
  multi_agent.platform.releases:
    namespace: multi-agent
    diff: [11, 12]
"""

RETURN = r"""
releases:
  description: All releases as they are recorded, oldest first.
  returned: always
  type: list
  elements: dict
  sample:
    - number: 12
      by: ada (AWX job 118)
      time: '2026-11-22T22:48:23+00:00'
      revision: 7af948aa4004
      tiers: {services: manifests-services-f03c9663c53e2f05}
"""
