# Documentation of the action plugin of this name, which does all of the work in the controller process.
# Copyright: the multi_agent.platform authors
# GNU General Public License v3.0 or later (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: images
short_description: Builds the images of the parts that have changed
version_added: 0.1.0
author:
  - The multi_agent.platform authors
description:
  - Builds the image of every part of the catalogue from its folder of sources, side by side, where what it is built
    from has changed. Pushes it, loads it into the nodes of a kind cluster, or both.
  - Writes the references to a file of variables, with digests where they were pushed.
  - Uses the command C(docker) of this machine, with buildx where that is installed. No cluster is asked.
  - An option that is left out is what the variable of the role C(images) of that name says. The catalogue is that of
    the play.
extends_documentation_fragment:
  - multi_agent.platform.images
attributes:
  check_mode:
    description: Says what would be built; asks the engine and the registry, and changes neither.
    support: full
  diff_mode:
    description: Its own output shows what changes.
    support: none
"""

EXAMPLES = r"""
- name: Images of the parts are pushed
  multi_agent.platform.images:
    source_dir: ../services
    registry: registry.example.org/team
    push: true
    tag_policy: commit
    map: inventories/prod/group_vars/all/images.yml
"""

RETURN = r"""
images:
  description: >-
    What became of each image, with C(label), C(names), C(parts), C(repository), C(content), C(tag), C(digest),
    C(reference), C(action) (V(found), V(built), in check mode V(would be built)) and C(seconds).
  returned: success
  type: list
  elements: dict
references:
  description: The whole map, reference by name. Also set as the fact C(platform_images_built).
  returned: success
  type: dict
  sample:
    agent: registry.example.org/team/multi-agent/agent-service:4f1c2a9be07d@sha256:<64 hex digits>
"""
