"""Documentation of the options that say which images are built, how, and where they go."""

from __future__ import annotations


class ModuleDocFragment:
    """What the modules ``images`` and ``dev`` take."""

    DOCUMENTATION = r"""
options:
  source_dir:
    description:
      - Folder with C(services/<name>/Dockerfile) and C(frontend/Dockerfile). Empty for the reference service in place
        of every part. The variable C(platform_source_dir).
    type: str
    default: ''
  map:
    description: File that the references are written to, as variable C(platform_images_built).
    type: path
    required: true
  parts:
    description: Parts that are built, and V(backup) for the image of backups where they are enabled; empty for all.
    type: list
    elements: str
    default: []
  tag_policy:
    description:
      - V(content), a hash of what the image is built from; V(commit), the commit of the sources, refused where files
        differ from it; V(given), O(tag).
    type: str
    choices: [commit, content, given]
    default: content
  tag:
    description: The tag where O(tag_policy=given).
    type: str
    default: ''
  registry:
    description: Registry put before every image that names none itself.
    type: str
    default: ''
  push:
    description: Whether images are pushed.
    type: bool
    default: false
  kind_cluster:
    description: Cluster of kind whose nodes get the images, and those of the stores that the engine has.
    type: str
    default: ''
  platforms:
    description: Platforms that parts are built for which name none themselves.
    type: list
    elements: str
    default: []
  cache:
    description: Where layers are kept beside the engine's own cache. Needs buildx.
    type: str
    choices: [registry, inline, '']
    default: ''
  attestations:
    description: Attestations that are attached to pushed images, if the builder can.
    type: list
    elements: str
    choices: [provenance, sbom]
    default: [provenance, sbom]
  parallel:
    description: Builds that run side by side.
    type: int
    default: 4
  rebuild:
    description: Whether to build although nothing has changed. Replaces a release tag that is taken.
    type: bool
    default: false
"""
