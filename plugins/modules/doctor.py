# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor
short_description: Finds what will hurt before it does
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Looks for an unsupported server, missing metrics or default StorageClass, a network plugin that may not enforce
    policies, foreign policies, NodeLocal DNSCache, a quota or nodes that a full scale-out does not fit, budgets that
    block a drain, certificates near their end, images that can change, placeholder credentials, unused Secrets,
    Secrets of C(platform_credentials_from) that are missing or hold another value than what is deployed, a RuntimeClass
    that could sandbox C(execution) or that adds to the quota, clients of removed API versions, and streams of NATS and
    shards of Qdrant with fewer copies than declared.
  - Copies are compared only if the catalogue asks for more than one. They are read through port-forwards
    (C(pods/portforward)), from NATS without a login and from Qdrant with the read-only key.
  - What this user may not see is passed over.
options:
  fail_on_problems:
    description:
      - Whether the task fails where there is a problem; advice never fails it.
    type: bool
    default: false
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.reads
"""

EXAMPLES = r"""
- name: Nothing will hurt
  multi_agent.platform.doctor:
    namespace: multi-agent
    fail_on_problems: true
"""

RETURN = r"""
findings:
  description: Everything that was found, problems first.
  returned: always
  type: list
  elements: dict
  sample: [{level: advice, what: The cluster has no default StorageClass, remedy: Name one for every store}]
"""
