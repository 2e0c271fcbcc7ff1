# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: check_health
short_description: Says what is wrong and what to do; fails where anything is
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Looks at workloads, pods, volumes, certificates, the last backup and restore drill, and the last release, and prints
    each problem with its remedy.
  - Compares with what the last release declares. An object of any kind that is missing or being deleted, a component
    below its declared number of pods or the minimum of its autoscaler, a paused rollout, a suspended schedule and a
    Service whose changed selector finds no ready pod are problems.
  - A release that is not recorded, or that this user may not read, is a problem too. Objects outside of the namespace
    that this user may not look at are named.
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.reads
"""

EXAMPLES = r"""
- name: Platform is well
  multi_agent.platform.check_health:
    namespace: multi-agent
"""

RETURN = r"""
problems:
  description: Each problem with its remedy.
  returned: always
  type: list
  elements: dict
  sample: [{problem: 'Deployment agent-service: 1 of 2 pods are available', remedy: see the findings below}]
"""
