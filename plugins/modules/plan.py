# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Shows what a run of site.yml would change
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Renders every tier, asks the server by dry run, and prints each object that would change with its fields.
  - Works on an empty cluster too. Values of Secrets are masked.
  - Honours C(--tags) and C(--skip-tags) with the names of tiers.
options:
  tiers:
    description:
      - Tiers in the order of the run.
    type: list
    elements: str
    required: true
  json_file:
    description:
      - Files to write the plan to as JSON; what P(multi_agent.platform.plan#module) returns as RV(plan).
    type: list
    elements: path
    default: []
  markdown_file:
    description:
      - File to write the plan to as Markdown, for a pull request.
    type: path
  fail_on_changes:
    description:
      - Whether the task fails where something would change.
    type: bool
    default: false
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.reads
"""

EXAMPLES = r"""
- name: Plan is on the screen and in a file for the pull request
  multi_agent.platform.plan:
    namespace: multi-agent
    tiers: [namespace, netpol, datastores, nats, services, frontend, ingress]
    markdown_file: plan.md
"""

RETURN = r"""
plan:
  description: Cluster, counts, and every object that would not be left alone.
  returned: always
  type: dict
  sample:
    changes: true
    counts: {created: 0, configured: 1, recreated: 0, unchanged: 94, pruned: 0, kept: 0}
    objects: [{tier: services, action: configured, kind: Deployment, name: agent-service, details: []}]
"""
