# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Makes tiers of a Kubernetes cluster what their manifests say
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Renders the templates of the calling role in one pass, checks the objects, and applies by server-side apply only
    what differs from the cluster, many objects at once, in waves (namespaces and definitions, configuration and
    accounts, volumes and services, gates, workloads, edges).
  - Waits by watch until everything is ready, and fails early with the cause, the last events and the last log lines
    when something cannot become ready. A pod of a StatefulSet that is stuck on an earlier revision is replaced if the
    new revision removes the cause; its volume is kept.
  - What the tier held before and no longer declares is deleted, by the labels of an ApplySet (KEP-3659). What holds
    data (volumes, StatefulSets with volumes, namespaces, definitions) stays unless it is named.
  - An object is not sent at all when the cluster holds every value of it. An apply that is sent is idempotent, so it is
    sent again after a broken connection, throttling or a server that is not ready yet.
  - A run that was killed is finished by the next one. No lock has to be cleared.
options:
  state:
    description:
      - V(present) makes the tier what the manifests say.
      - V(absent) deletes the tier's objects, except those that hold data (see O(prune_data)). Claims of StatefulSets
        stay, and so their data does; a StatefulSet that would take them along (C(whenDeleted) is C(Delete)) stays too.
    type: str
    choices: [present, absent]
    default: present
  tier:
    description:
      - Name of the set of objects that belong together. Only objects of this set are ever pruned.
      - Exactly one of O(tier) and O(tiers) is to be given.
    type: str
  tiers:
    description:
      - Tiers of this collection, each named as its role, in the order in which they are applied. They are what the
        templates of these roles say, with the roles' defaults where the play says nothing else.
      - All are rendered, and compared with the cluster, before the first is written. What they share is paid once.
      - C(--tags) and C(--skip-tags) choose among them by their names, so the task has to carry the tag C(always), as
        Ansible would skip a task as a whole that carries the name of a skipped tier.
    type: list
    elements: str
  namespace:
    description:
      - Namespace of the set, and of namespaced objects that name none. The variable C(platform_namespace) where it is
        left out.
    type: str
    required: true
  templates:
    description:
      - Jinja templates below the C(templates) folder of the role (or of the play where there is no role). Every
        C(*.yaml.j2) directly in it by default.
      - A template sees every variable that it names, the filters of ansible.builtin and of this collection, and the
        functions C(credential) (a name) and C(checksum) (values). C({% import %}) finds shared macros in
        C(roles/platform/templates) too.
    type: list
    elements: str
  definition:
    description:
      - Objects given as data, beside the templates.
    type: list
    elements: dict
    default: []
  credentials:
    description:
      - Where the function C(credential) finds values. Holds no value itself. The shared role describes the platform's.
    type: dict
    suboptions:
      secret:
        description:
          - Name of the Secret in O(namespace) that is the source of truth.
        type: str
        required: true
      managed:
        description:
          - Whether that Secret is written from here. V(false) for one that the user keeps, which is only read.
        type: bool
        default: true
      values_from:
        description:
          - Name of the variable, a dict, that holds values which the inventory gives.
        type: str
        default: platform_credentials
      keys:
        description:
          - The credentials that exist. Each has a C(name), whether it may be generated (C(generate)) and a C(prefix) of
            generated values.
        type: list
        elements: dict
        required: true
      volumes:
        description:
          - Label selector of claims that only the present credentials open. Where they exist and the Secret does not,
            nothing is generated and the run stops.
        type: str
  credentials_write:
    description:
      - Whether this tier writes the Secret of O(credentials), and so may generate. With O(tiers) that is seen from what
        they declare.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the objects are ready, and pruned ones gone. The variable C(platform_wait) where it is
        left out.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait at most, for the whole tier. The variable C(platform_wait_timeout) where it is left out.
    type: int
    default: 600
  lock_timeout:
    description:
      - Seconds to wait for another run that works on the same tier; V(0) stops at once and says who it is. The variable
        C(platform_lock_timeout) where it is left out.
    type: int
    default: 300
  force_conflicts:
    description:
      - Whether to take fields that any other manager owns. Fields of kubectl, Helm, Skaffold and kubernetes.core are
        taken anyway, as this project replaces them; fields of controllers are not.
    type: bool
    default: false
  prune:
    description:
      - Whether objects of the tier that are no longer declared are deleted.
    type: bool
    default: true
  prune_data:
    description:
      - Objects that hold data and may be deleted all the same, each as C(Kind/name), or as
        C(Kind/namespace/name) where it is in another namespace than the platform's.
    type: list
    elements: str
    default: []
  prune_most:
    description:
      - Whether more than half of the tier's objects may be pruned in one run.
    type: bool
    default: false
  render_to:
    description:
      - Folder to write the manifests to, instead of contacting a cluster. One file per object below a folder per tier;
        Secrets hold the names of credentials, never values.
    type: path
  result_file:
    description:
      - File to add the result of this task to, as JSON, beside those of the other tiers and clusters of the same run.
        It is written also where the task fails or is stopped. The variable C(platform_result_file) where it is left
        out.
    type: path
extends_documentation_fragment:
  - multi_agent.platform.connection
attributes:
  check_mode:
    description: Plans the same list by server-side dry run, on an empty cluster too.
    support: full
  diff_mode:
    description: Shows every change field by field. Values of Secrets are masked.
    support: full
requirements:
  - python >= 3.11
  - kubernetes (only for a kubeconfig that runs a program or an auth provider, or for several files)
"""

EXAMPLES = r"""
- name: Two tiers are as the inventory says
  multi_agent.platform.apply:
    tiers: [namespace, netpol]
  tags: [namespace, netpol]

- name: Services are ready (in a role; its templates folder says what the tier is)
  multi_agent.platform.apply:
    tier: services

- name: A tier of one's own is there, from data
  multi_agent.platform.apply:
    tier: extras
    namespace: multi-agent
    definition:
      - apiVersion: v1
        kind: ConfigMap
        metadata:
          name: feature-flags
        data:
          search: "on"

- name: That tier is gone
  multi_agent.platform.apply:
    state: absent
    tier: extras
    namespace: multi-agent

- name: Manifests are in a folder, for review
  multi_agent.platform.apply:
    tier: services
    namespace: multi-agent
    render_to: build/manifests
"""

RETURN = r"""
objects:
  description: Every object of the tiers, in the order in which they were applied.
  returned: when a cluster was contacted
  type: list
  elements: dict
  contains:
    tier:
      description: Name of its tier.
      type: str
      sample: services
    api_version:
      description: Group and version.
      type: str
      sample: apps/v1
    kind:
      description: Kind.
      type: str
      sample: Deployment
    namespace:
      description: Namespace, empty for cluster-scoped objects.
      type: str
      sample: multi-agent
    name:
      description: Name.
      type: str
      sample: gateway-service
    action:
      description: >-
        What happened, or in check mode would happen: created, configured, recreated (a Job whose template changed),
        unchanged, pruned, or kept (no longer declared, but it holds data).
      type: str
      sample: configured
counts:
  description: How many objects had each action.
  returned: when a cluster was contacted
  type: dict
  sample: {created: 0, configured: 1, recreated: 0, unchanged: 41, pruned: 0, kept: 0}
replaced_pods:
  description: >-
    Pods of StatefulSets that were deleted during the wait (in check mode, would be) because they were of an earlier
    revision and could not start, which their controller waits for. Their volumes stay.
  returned: when a cluster was contacted
  type: list
  elements: dict
  contains:
    tier:
      description: The tier of the StatefulSet.
      type: str
    namespace:
      description: The pod's namespace.
      type: str
    name:
      description: The pod's name.
      type: str
    reason:
      description: Why it could not start, in Kubernetes' words.
      type: str
      sample: ImagePullBackOff
seconds:
  description: >-
    How long reading and writing (C(apply)), the wait (C(wait)) and pruning (C(prune)) of each tier took; steps that
    were not needed are left out.
  returned: when a cluster was contacted
  type: dict
  sample: {services: {apply: 0.412, wait: 12.031}}
files:
  description: Files that were written or removed, with O(render_to).
  returned: with O(render_to)
  type: list
  elements: str
"""
