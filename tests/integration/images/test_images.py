"""Images built by the engine of this machine, and pushed to a registry of the test's own."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..conftest import ended, interrupted, started
from .registry import Registry, registry


def _engine() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


needs_engine = pytest.mark.skipif(not _engine(), reason="no container engine answers")


@dataclass
class Project:
    """Sources of two parts, and an inventory that builds them."""

    root: Path
    name: str

    @property
    def map(self) -> dict[str, str]:
        """What the map says."""
        references: dict[str, str] = yaml.safe_load((self.root / "images.yml").read_text())["platform_images_built"]
        return references

    def run(
        self, playbook: str, *arguments: str, expect: int = 0, env: dict[str, str] | None = None, **more: Any
    ) -> str:
        """Both streams of a playbook's run."""
        command = ["ansible-playbook", f"playbooks/{playbook}.yml", "-i", "inventories/local"]
        environment = {"ANSIBLE_STDOUT_CALLBACK": "multi_agent.platform.screen"} | (env or {})
        with started([*command, "-e", json.dumps(self.variables(**more)), *arguments], **environment) as process:
            output = "".join(ended(process, expect))
        assert "Traceback" not in output
        return output

    def variables(self, **more: Any) -> dict[str, Any]:
        """What the playbook is told: two parts, and a map of this project."""
        parts = dict.fromkeys(("orchestration", "agent", "tool", "model", "vector", "execution"))
        return {
            "platform_source_dir": str(self.root / "sources"),
            "platform_services_overrides": {**parts, "gateway": {"calls": []}},
            "platform_images": {
                "postgres": "postgres:17.7",
                "qdrant": "qdrant/qdrant:v1.19.0-unprivileged",
                "nats": "nats:2.14.2-alpine",
                "backup": f"{self.name}/backup:1.0.0",
                "gateway": f"{self.name}/gateway:1.0.0",
                "frontend": f"{self.name}/frontend:1.0.0",
            },
            "images_map": str(self.root / "images.yml"),
            **more,
        }

    def edit(self, part: str, text: str) -> None:
        """Change a file of a part."""
        (self.root / "sources" / part / "app.txt").write_text(text)

    def git(self, *arguments: str) -> str:
        """The output of git in the sources."""
        identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
        command = ["git", "-C", str(self.root / "sources"), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self) -> str:
        """Commit everything; the commit as tags have it."""
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "change")
        return self.git("rev-parse", "--short=12", "HEAD")

    def images(self) -> list[str]:
        """Names of the engine's images of this project."""
        listed = ["docker", "images", "--format={{.Repository}}:{{.Tag}}"]
        names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
        return [name for name in names if f"{self.name}/" in name]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, f"test-{secrets.token_hex(4)}")
    for part in ("services/gateway", "frontend"):
        folder = tmp_path / "sources" / part
        folder.mkdir(parents=True)
        # Two stages, and nothing that a registry or a shell would be needed for.
        (folder / "Dockerfile").write_text("FROM scratch AS other\nFROM scratch\nARG EDITION\nCOPY app.txt /app.txt\n")
        (folder / "app.txt").write_text(part)
    made.git("init", "--quiet")
    made.commit()
    yield made
    if _engine() and (names := made.images()):
        subprocess.run(["docker", "image", "rm", "--force", *names], capture_output=True, check=False)


@pytest.fixture
def hub() -> Iterator[Registry]:
    with registry() as made:
        yield made


@needs_engine
def test_only_what_has_changed_is_built(project: Project) -> None:
    output = project.run("images", "--check")
    assert "2 images would be built, 0 unchanged" in output
    assert not (project.root / "images.yml").exists()
    output = project.run("images")
    assert "2 images built, 0 unchanged" in output
    first = project.map
    assert set(first) == {"gateway", "frontend"}
    assert set(first.values()) <= set(project.images())
    assert "0 images built, 2 unchanged" in project.run("images")
    assert project.map == first
    project.edit("frontend", "changed")
    assert "1 image built, 1 unchanged" in project.run("images")
    assert project.map["gateway"] == first["gateway"]
    assert project.map["frontend"] != first["frontend"]
    # Back again: its image is still there, and is found by its content.
    project.edit("frontend", "frontend")
    assert "0 images built, 2 unchanged" in project.run("images")
    assert project.map == first


@needs_engine
def test_some_parts_and_their_build_arguments(project: Project) -> None:
    project.run("images")
    first = project.map
    how = {"gateway": {"calls": [], "build": {"args": {"EDITION": "two"}}}}
    parts = dict.fromkeys(("orchestration", "agent", "tool", "model", "vector", "execution"))
    project.edit("frontend", "changed, but not chosen")
    output = project.run("images", images_parts=["gateway"], platform_services_overrides={**parts, **how})
    assert "1 image built, 0 unchanged" in output
    assert project.map["frontend"] == first["frontend"]
    assert project.map["gateway"] != first["gateway"]


@needs_engine
def test_an_image_that_the_user_gives_is_not_built(project: Project) -> None:
    given: dict[str, Any] = {"platform_image_overrides": {"gateway": "registry.example.org/mine:1"}}
    output = project.run("images", **given)
    assert "platform_image_overrides gives the images of gateway: not built" in output
    assert set(project.map) == {"frontend"}
    assert "1 image built" in project.run("images", images_parts=["gateway"], **given)


@needs_engine
def test_the_image_of_backups_is_one_of_the_platform(project: Project) -> None:
    """Its tag is its content's, whatever those of the parts are."""
    enabled: dict[str, Any] = {"platform_backup": {"enabled": True}, "backup_credentials": False}
    assert "3 images would be built, 0 unchanged" in project.run("images", "--check", images_tag="1.4.0", **enabled)
    output = project.run("images", images_parts=["backup"], images_tag="1.4.0", **enabled)
    assert "1 image built, 0 unchanged" in output
    assert set(project.map) == {"backup"}
    assert re.fullmatch(r".*/backup:[0-9a-f]{16}", project.map["backup"])
    assert project.map["backup"] in project.images()
    # A build of the parts leaves it in the map.
    project.run("images", images_parts=["gateway"], **enabled)
    assert set(project.map) == {"backup", "gateway"}
    ours: dict[str, Any] = {"platform_image_overrides": {"backup": "registry.example.org/backup:1"}}
    output = project.run("images", "--check", **ours, **enabled)
    assert "platform_image_overrides gives the images of backup: not built" in output
    assert "IMAGE" in output
    assert "\nbackup" not in output


@needs_engine
def test_push_by_commit_with_digests_and_nothing_twice(project: Project, hub: Registry) -> None:
    pushed: dict[str, Any] = {"images_push": True, "images_registry": hub.address, "images_tag_policy": "commit"}
    commit = project.git("rev-parse", "--short=12", "HEAD")
    assert "2 images built" in project.run("images", **pushed)
    repository = f"{project.name}/gateway"
    digest = hub.digest(repository, commit)
    assert project.map["gateway"] == f"{hub.address}/{repository}:{commit}@{digest}"
    first = project.map
    assert "0 images built, 2 unchanged" in project.run("images", **pushed)

    # Another machine, without the engine's images: found in the registry.
    subprocess.run(["docker", "image", "rm", "--force", *project.images()], capture_output=True, check=True)
    assert "0 images built, 2 unchanged" in project.run("images", **pushed)
    assert not project.images()

    # A new commit that changes one part: both have its tag. The reference of the other stays, so it is not restarted.
    project.edit("frontend", "changed")
    output = project.run("images", expect=2, **pushed)
    assert "- frontend/app.txt" in output
    second = project.commit()
    assert "1 image built, 1 unchanged" in project.run("images", **pushed)
    assert second in hub.tags(repository)
    assert hub.digest(repository, second) == digest
    assert project.map["gateway"] == first["gateway"]
    assert f":{second}@sha256:" in project.map["frontend"]


@needs_engine
def test_a_release_tag_that_is_taken_is_refused(project: Project, hub: Registry) -> None:
    pushed: dict[str, Any] = {"images_push": True, "images_registry": hub.address, "images_tag": "1.4.0"}
    project.run("images", **pushed)
    first, digest = project.map, hub.digest(f"{project.name}/frontend", "1.4.0")
    project.run("images", **pushed)
    project.edit("frontend", "changed")
    output = project.run("images", expect=2, **pushed)
    assert f"{project.name}/frontend:1.4.0 exists in the registry and is another image ({digest})" in output
    assert (project.map, hub.digest(f"{project.name}/frontend", "1.4.0")) == (first, digest)
    project.run("images", images_rebuild=True, **pushed)
    assert hub.digest(f"{project.name}/frontend", "1.4.0") != digest


@needs_engine
def test_a_failed_build_ends_with_its_log_and_changes_nothing(project: Project) -> None:
    project.run("images")
    first = project.map
    project.edit("frontend", "changed")
    (project.root / "sources/services/gateway/Dockerfile").write_text("FROM scratch\nCOPY nowhere /\n")
    output = project.run("images", expect=2)
    assert "gateway: build failed" in output
    assert "nowhere" in output
    assert project.map == first
    (project.root / "sources/services/gateway/Dockerfile").write_text("FROM scratch\nCOPY app.txt /app.txt\n")
    assert "1 image built, 1 unchanged" in project.run("images"), "what was built beside the failure is not built again"


@needs_engine
def test_a_registry_that_is_away_is_said_before_building(project: Project) -> None:
    output = project.run("images", expect=2, images_push=True, images_registry="127.0.0.1:1")
    assert "its registry cannot be asked" in output
    assert not project.images()


@needs_engine
def test_site_reads_the_map(project: Project) -> None:
    project.run("images")
    project.run("render", platform_render_to=str(project.root / "manifests"))
    (deployment,) = (project.root / "manifests").rglob("deployment-gateway-service.yaml")
    assert f"image: {project.map['gateway']}\n" in deployment.read_text()


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"images_parts": ["gatway"]}, 'Did you mean "gateway"'),
        ({"images_parts": ["backup"]}, "Set platform_backup.enabled to true first"),
        ({"platform_source_dir": "/nowhere"}, "there is no such folder"),
        ({"images_tag": "not a tag"}, "is no tag"),
        ({"images_tag": "latest"}, "is refused"),
        ({"images_tag_policy": "given"}, "no tag was"),
        ({"images_push": True}, "neither images_registry nor the image's name says where to"),
        ({"images_platforms": ["linux/amd64", "linux/arm64"]}, "holds an image for one platform"),
        ({"images_map": "/etc/passwd/images.yml"}, "images_map = /etc/passwd/images.yml cannot be used"),
        (
            {"platform_source_dir": "", "platform_environment": "prod", "images_push": False},
            "no place for the reference",
        ),
        (
            {"platform_services_overrides": {"gateway": {"build": {"args": {"NPM_TOKEN": "hunter2"}}}}},
            "an image keeps its build arguments in clear",
        ),
        ({"platform_services_overrides": {"gateway": {"build": {"context": "../x"}}}}, "is malformed"),
        (
            {"platform_services_overrides": {"gateway": {"sync": {"paths": {"src": "app"}}}}},
            "is no folder in the container",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_bad_input(project: Project, variables: dict[str, Any], says: str) -> None:
    output = project.run("images", expect=2, **variables)
    assert says in output
    assert "hunter2" not in output


def test_a_missing_dockerfile_is_named(project: Project) -> None:
    (project.root / "sources/frontend/Dockerfile").unlink()
    assert "sources/frontend/Dockerfile" in project.run("images", expect=2)


def test_a_machine_without_docker_says_so(project: Project, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("git", "ansible-playbook", "python3", "python", "env", "sh"):
        found = subprocess.run(["which", program], capture_output=True, text=True, check=True).stdout.strip()
        (programs / program).symlink_to(found)
    output = project.run("images", expect=2, env={"PATH": str(programs)})
    assert "docker is not installed, or not on PATH" in output


def test_a_run_that_is_interrupted_leaves_no_build_and_no_file(project: Project, tmp_path: Path) -> None:
    """With an engine whose builds take for ever."""
    programs, begun, temporary = (tmp_path / name for name in ("bin", "begun", "temporary"))
    for folder in (programs, begun, temporary):
        folder.mkdir()
    (programs / "docker").write_text(
        '#!/bin/sh\ncase "$*" in\n'
        "info*) echo '{}';; 'buildx version'|'buildx inspect') ;; 'image inspect'*) exit 1;;\n"
        f"'buildx build --progress'*) echo $$ > {begun}/$$; exec sleep 600;;\nesac\n"
    )
    (programs / "docker").chmod(0o755)
    variables = project.variables(images_parallel=1)
    command = ["ansible-playbook", "playbooks/images.yml", "-i", "inventories/local", "-e", json.dumps(variables)]
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    with started(command, PATH=path, TMPDIR=str(temporary)) as process:
        interrupted(process, lambda: any(file.read_text() for file in begun.iterdir()))
    (build,) = begun.iterdir()
    assert subprocess.run(["ps", "-p", build.name], capture_output=True, check=False).returncode != 0
    assert [file.name for file in temporary.iterdir() if file.name.startswith("multi-agent-")] == []


def test_an_engine_that_is_away_is_said(project: Project) -> None:
    output = project.run("images", expect=2, env={"DOCKER_HOST": "tcp://127.0.0.1:1"})
    assert "No container engine answers" in output or "docker is not installed" in output
