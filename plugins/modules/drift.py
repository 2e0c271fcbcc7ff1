# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: drift
short_description: Shows what somebody changed since the last release
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Compares the cluster with the manifests of the last release, by dry run, and prints each field that differs, its
    declared and its present value, and the field manager that wrote it and when, from C(metadata.managedFields).
  - Compares with what was applied last, not with the inventory; P(multi_agent.platform.plan#module) does that.
  - What controllers write (replicas under an autoscaler, status) is no drift. Values of Secrets are masked.
  - An autoscaled workload of 0 pods, a paused rollout and a suspended schedule are drift, although manifests do not
    declare these fields.
options:
  json_file:
    description:
      - File to write what was found to, as JSON.
    type: path
  fail_on_drift:
    description:
      - Whether the task fails where there is drift, for a nightly job.
    type: bool
    default: false
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.reads
"""

EXAMPLES = r"""
- name: Nobody changed the platform by hand
  multi_agent.platform.drift:
    namespace: multi-agent
    fail_on_drift: true
"""

RETURN = r"""
drift:
  description: The release that was compared with, and the objects that differ from it.
  returned: always
  type: dict
  sample:
    cluster: prod
    release: 12
    objects:
      - tier: services
        kind: Deployment
        name: agent-service
        deleted: false
        changes:
          - {path: 'spec.template.spec.containers[agent].image', declared: a, found: b, manager: kubectl-edit, time: ''}
"""
