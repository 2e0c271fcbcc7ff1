# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_identity
short_description: Identifies the cluster of a host
version_added: 0.2.0
author:
  - The multi_agent.platform authors
description:
  - Reads the UID of the namespace C(kube-system), by which a cluster is known whatever its address is, and fails if
    C(platform_cluster_uid) names another one. One request.
  - Registered as C(__platform_identity), the result lets later tasks refuse two hosts of a play that lead to one
    namespace of one cluster. P(multi_agent.platform.preflight#module) returns the same.
extends_documentation_fragment:
  - multi_agent.platform.connection
  - multi_agent.platform.operation
  - multi_agent.platform.operation.reads
"""

EXAMPLES = r"""
- name: Identify the cluster
  multi_agent.platform.cluster_identity:
  register: __platform_identity
"""

RETURN = r"""
cluster:
  description: Where the host leads.
  returned: success
  type: dict
  contains:
    host:
      description: Name of the inventory host.
      type: str
    server:
      description: URL of the API server, without a login.
      type: str
    namespace:
      description: Namespace of the platform.
      type: str
    uid:
      description: UID of the namespace kube-system; empty if the user may not read it.
      type: str
"""
