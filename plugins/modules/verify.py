"""Documentation of ``multi_agent.platform.verify``, which runs as an action plugin."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Ask a live platform whether it does what its catalogue says
version_added: 0.1.0
author: The multi_agent.platform authors
description:
  - Looks at whether all objects of the last release exist, at workloads, volumes, disruption budgets and autoscalers;
    asks the stores with each part's own credentials; tries every connection between parts, stores, another namespace,
    the metadata address and a public address; makes a round trip where the reference service runs; looks at
    certificates and asks both hosts at the edge.
  - Prints a table, writes a JUnit file and fails where something is not as it must be.
  - Makes a Job for each source of connections and removes it. A Job whose run was killed ends and goes by itself within
    four minutes.
notes:
  - "Permissions beyond reading: create and delete Jobs, list Pods and read their logs, in O(namespace) and
    O(outside_namespace)."
  - The role C(verify) gives all options from the inventory.
options:
  catalogue:
    description: The derived model, as the filter P(multi_agent.platform.catalogue#filter) makes it.
    type: dict
    required: true
  namespace:
    description: Namespace of the platform.
    type: str
    required: true
  hosts:
    description: Host names, by what a part's C(exposed) says.
    type: dict
    required: true
  image:
    description: Image of the probe pods, with Python 3.10 or newer as C(python3).
    type: str
    required: true
  image_pull_policy:
    description: When nodes pull it.
    type: str
    choices: [Always, IfNotPresent, Never]
    default: IfNotPresent
  image_pull_secrets:
    description: Secrets for the registry. They must exist in O(outside_namespace) too.
    type: list
    elements: str
    default: []
  outside_namespace:
    description: Namespace of the pod that must not get in, and that others must not reach.
    type: str
    default: default
  metadata_address:
    description: Address of the cloud's metadata service, host:port.
    type: str
    default: 169.254.169.254:80
  internet_address:
    description: A public address, host:port.
    type: str
    default: 1.1.1.1:443
  route_kind:
    description: Kind of the routes at the edge.
    type: str
    choices: [Ingress, HTTPRoute]
    default: Ingress
  tls_secret:
    description: Secret with the certificate of both hosts; empty for none.
    type: str
    default: ""
  edge_addresses:
    description: Where the edge answers, by scheme, as host:port; empty for what the routes say.
    type: dict
    default: {}
  certificate_days:
    description: Days that a certificate must still be valid.
    type: int
    default: 14
  patience:
    description: Seconds that workloads, volumes and autoscalers may take to be as they must be.
    type: int
    default: 90
  edge_cidrs:
    description:
      - Networks that policies let in to what is exposed, as CIDR. Connections from a pod among them are not judged.
    type: list
    elements: str
    default: []
  qdrant_clients:
    description: Networks that policies let in to Qdrant, likewise.
    type: list
    elements: str
    default: []
  junit:
    description: JUnit file that is written; empty for none.
    type: path
    default: ""
extends_documentation_fragment:
  - multi_agent.platform.connection
attributes:
  check_mode:
    description: Skipped in check mode.
    support: none
  diff_mode:
    description: There is nothing to show.
    support: none
seealso:
  - module: multi_agent.platform.preflight
"""

EXAMPLES = r"""
- name: Platform does what the inventory says
  ansible.builtin.import_role:
    name: multi_agent.platform.verify
"""

RETURN = r"""
msg:
  description: How many checks passed, failed and were skipped; on failure every finding, a line each.
  type: str
  returned: always
checks:
  description: Every check; where some failed, these alone. The JUnit file always has all of them.
  type: list
  elements: dict
  returned: always
  contains:
    group:
      description: What it belongs to.
      type: str
      sample: policies
    name:
      description: What was asked.
      type: str
      sample: gateway-service to postgres:5432
    outcome:
      description: passed, failed or skipped.
      type: str
      sample: passed
    message:
      description: What was seen, or why it could not be asked.
      type: str
      sample: open
    seconds:
      description: How long it took.
      type: float
      sample: 0.1
"""
