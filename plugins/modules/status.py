# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: status
short_description: Shows the state of the platform on one screen
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Prints who released last and when, whether anything drifted, every workload with its readiness, scaling and address,
    volumes, certificates, and what keeps workloads from being ready. Objects that the last release declares and the
    cluster does not have are named; a missing workload has a row.
  - How full volumes are is asked of the kubelets, which needs the permission C(get nodes/proxy); without it the column
    is left out.
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.reads
"""

EXAMPLES = r"""
- name: State is on the screen
  multi_agent.platform.status:
    namespace: multi-agent
  register: platform
- name: Platform is ready
  ansible.builtin.assert:
    that: platform.ready
"""

RETURN = r"""
ready:
  description: Whether there are workloads, all of them are ready, and nothing that was declared is missing.
  returned: always
  type: bool
workloads:
  description: >-
    Every Deployment and StatefulSet. One that a restore stopped and did not start again is not ready, and has
    C(stopped_by_restore). One that is declared and does not exist is not ready, and has C(missing).
  returned: always
  type: list
  elements: dict
  sample:
    - {tier: services, kind: Deployment, name: agent-service, ready: true, desired: 2, ready_replicas: 2, restarts: 0}
volumes:
  description: Every claim; C(mounted) tells whether a pod has it, C(used_bytes) is null where no kubelet tells.
  returned: always
  type: list
  elements: dict
certificates:
  description: TLS Secrets of the namespace and when they end.
  returned: always
  type: list
  elements: dict
missing:
  description: Objects of the last release that do not exist, or are being deleted.
  returned: always
  type: list
  elements: dict
  sample: [{tier: netpol, kind: NetworkPolicy, name: default-deny, deleting: false}]
shortfalls:
  description: Objects that exist and do less than is declared, such as a suspended CronJob.
  returned: always
  type: list
  elements: str
unknown:
  description: What cannot be compared with the last release, and why.
  returned: always
  type: list
  elements: str
findings:
  description: What keeps workloads from being ready.
  returned: always
  type: list
  elements: str
release:
  description: The last release as it was recorded, empty without one.
  returned: always
  type: dict
drift:
  description: Objects that are not as the last release left them; null where that cannot be told.
  returned: always
  type: list
  elements: dict
"""
