"""The filter multi_agent.platform.catalogue: the catalogue made into what templates loop over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.platform import catalogue as library
from ..module_utils.platform.problems import Problems

DOCUMENTATION = r"""
name: catalogue
short_description: Derive the platform's model from the catalogue of its services
version_added: 0.1.0
author: The multi_agent.platform authors
description:
  - Merges, casts, completes and checks the catalogue, then derives everything that follows from it.
  - An edge between two parts is written once, under C(calls) or C(uses). Addresses, both sides of network policies,
    database and message users, and the keys of every Secret follow from it.
  - Fails with every fault at once, each with the variable, the value and the remedy.
  - Strings such as V("3") and V("false") are taken as the number and the boolean that they read as.
positional: _input
options:
  _input:
    description: The catalogue, one entry a part; see C(platform_services) in the role C(platform).
    type: dict
    required: true
  overrides:
    description: What differs in an environment, merged last. Lists are replaced, null takes a key out.
    type: dict
    default: {}
  images:
    description: Image references by name, C(repository:tag[@digest]).
    type: dict
    default: {}
  images_built:
    description: Image references that a build wrote; they win over O(images).
    type: dict
    default: {}
  image_overrides:
    description: Image references that win over O(images) and O(images_built).
    type: dict
    default: {}
  registry:
    description: Prefix of every image that names no registry of its own.
    type: str
    default: ''
  pull_policy:
    description: When nodes pull images.
    type: str
    choices: [Always, IfNotPresent, Never]
    default: Always
  stores:
    description: Replicas, resources and storage of the stores; see C(platform_stores) in the role C(platform).
    type: dict
    default: {}
  stores_overrides:
    description: What differs in an environment, merged into O(stores) last.
    type: dict
    default: {}
  config:
    description: More environment variables for every part; values become text.
    type: dict
    default: {}
  environment:
    description: Name of the environment. C(local) and C(dev) are development to Node.js, others production.
    type: str
    default: local
  log_level:
    description: How much the parts log.
    type: str
    default: info
  quota_headroom:
    description: Pods and their resources that the quota leaves room for beside the platform's own.
    type: dict
    default: {}
  backup:
    description: Whether there are backups, and what they take; see C(platform_backup) in the role C(platform).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Who may call the model service
  ansible.builtin.debug:
    msg: >-
      {{ (platform_services | multi_agent.platform.catalogue(images=platform_images, stores=platform_stores))
         .by_name.model.called_by }}
"""

RETURN = r"""
_value:
  description: The derived model. Every list is sorted by name, every value has its type.
  type: dict
  contains:
    parts:
      description: >-
        The parts, each with C(name), C(tier), C(object), C(component), C(port), C(image), C(image_name),
        C(image_tag), C(image_pull_policy), C(calls),
        C(called_by), C(uses), C(secrets_as), C(internet), C(exposed), C(resources), C(scaling), C(probes),
        C(termination_grace_period_seconds), C(env), C(migration), C(build), C(sync), C(placement), C(runtime_class),
        C(service_account_annotations), C(annotations) and C(labels) by kind of object, C(secret_keys), C(egress) and
        C(ingress). Of a C(scaling) without an autoscaler both bounds are the fixed number.
      type: list
      elements: dict
    by_name:
      description: The same parts by name.
      type: dict
    stores:
      description: >-
        C(postgres), C(qdrant) and C(nats), each with C(object), C(component), C(image), C(image_tag),
        C(image_pull_policy), C(ports), C(users), C(ingress), C(replicas), C(resources),
        C(storage), C(placement), C(annotations) and C(labels);
        C(qdrant) with C(replication_factor) and C(write_consistency_factor) too.
      type: dict
    config:
      description: Data of the two shared ConfigMaps, C(common) and C(service_urls).
      type: dict
    credentials:
      description: Credentials that exist, each with C(name), C(kind), C(min_length) and C(used_by). No values.
      type: list
      elements: dict
    images:
      description: Full image references by store and part.
      type: dict
    quota:
      description: Hard limits of the ResourceQuota as canonical quantities.
      type: dict
    backup:
      description: >-
        C(enabled), C(volume_size) and C(scratch_size); where it is enabled C(object), C(image), C(image_tag) and
        C(image_pull_policy) too.
      type: dict
    exposed:
      description: Name of the part that answers on each host, by C(api) and C(frontend).
      type: dict
"""


def catalogue(
    services: Any,
    overrides: Any = None,
    images: Any = None,
    images_built: Any = None,
    image_overrides: Any = None,
    registry: Any = "",
    pull_policy: Any = "Always",
    stores: Any = None,
    stores_overrides: Any = None,
    config: Any = None,
    environment: Any = "local",
    log_level: Any = "info",
    quota_headroom: Any = None,
    backup: Any = None,
) -> dict[str, Any]:
    """The derived model of a catalogue; AnsibleFilterError lists every fault."""
    problems = Problems()
    model = library.read(
        services,
        overrides=overrides,
        images_map=images,
        images_built=images_built,
        image_overrides=image_overrides,
        registry=registry,
        pull_policy=str(pull_policy),
        stores_map=stores,
        stores_overrides=stores_overrides,
        config=config,
        environment=str(environment),
        log_level=str(log_level),
        headroom=quota_headroom,
        backup_settings=backup,
        problems=problems,
    )
    if problems:
        raise AnsibleFilterError(f"The catalogue cannot be used:\n{problems}")
    return library.derive(model)


class FilterModule:
    """Filters of this file, as Ansible looks them up."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"catalogue": catalogue}
