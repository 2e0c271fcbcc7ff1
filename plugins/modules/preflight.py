"""Documentation of ``multi_agent.platform.preflight``, which runs as an action plugin."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check every input and the cluster before anything is written
version_added: 0.1.0
author: The multi_agent.platform authors
description:
  - Checks the inputs of all tiers in one pass, whichever of them is in the play, and then whether the cluster can take
    them.
  - Reports everything that is wrong at once, a line each, with the variable, the value and the remedy. Values of
    secrets are never shown.
  - Writes nothing, in no mode.
  - The role C(platform) runs it; as every tier depends on that role, it runs once a play and under any tag.
notes:
  - "Inputs: argument specs of all roles (types, choices, nested keys), variables that begin with a role's name and are
    none of its options, the catalogue (names, ports, edges, resources, scaling), images, stores, credentials."
  - "Cluster: kubeconfig and context, reachability, credentials, C(platform_cluster_uid), server version,
    StorageClasses, whether the images of the stores read the data on their volumes, RuntimeClasses and Secrets that the
    inventory names, the kind that carries the hosts, and the user's permissions. It is not asked where O(cluster=false)
    or C(platform_render_to) is set."
options:
  cluster:
    description: Whether the cluster is checked too.
    type: bool
    default: true
  tiers:
    description:
      - Tiers that the run is about. What they need of the cluster is checked.
      - By default the roles of the play, as far as C(--tags) and C(--skip-tags) choose them.
    type: list
    elements: str
    choices: [namespace, netpol, datastores, nats, backup, services, frontend, ingress]
extends_documentation_fragment:
  - multi_agent.platform.connection
attributes:
  check_mode:
    description: Runs the same in check mode.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
seealso:
  - module: multi_agent.platform.apply
  - plugin: multi_agent.platform.catalogue
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Inventory and cluster allow what is asked for
  multi_agent.platform.preflight:

- name: Inventory is sound, whether or not its cluster is there
  multi_agent.platform.preflight:
    cluster: false
"""

RETURN = r"""
msg:
  description: The outcome; on failure every problem, a line each.
  type: str
  returned: always
cluster:
  description:
    - Where the host leads, as P(multi_agent.platform.cluster_identity#module) returns it. Left out if the cluster was
      not asked.
  type: dict
  returned: success
server_version:
  description: Version of the API server; empty where it was not asked.
  type: str
  returned: success
"""
