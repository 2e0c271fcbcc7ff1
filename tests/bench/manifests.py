"""The same manifests for everybody: what the project renders from an inventory, as one file and as a Helm chart."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from . import inventory
from .inventory import ROOT

# Namespaces before what lives in them; the rest in the order in which the site applies its tiers.
_TIERS = ("namespace", "netpol", "datastores", "nats", "services", "frontend", "ingress")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

Object = dict[str, Any]
VARIANTS = ("one", "two")
"""Two states of the platform that differ in one service, so that a change can be made over and over."""


@dataclass(frozen=True)
class Prepared:
    """One variant as one tool reads it. ``objects``: what the cluster holds afterwards."""

    variant: str
    inventory: Path
    file: Path
    chart: Path
    objects: list[Object]


@dataclass(frozen=True)
class Rendered:
    """One variant as the project renders it, in the namespace of the project."""

    variant: str
    inventory: Path
    namespace: str
    objects: list[Object]

    def for_namespace(self, namespace: str, folder: Path) -> Prepared:
        """The same manifests in another namespace, written below ``folder``.

        The name of the namespace stands in addresses and selectors too, so it is replaced wherever it is.
        """
        objects = json.loads(json.dumps(self.objects).replace(self.namespace, namespace))
        home = folder / namespace / self.variant
        home.mkdir(parents=True, exist_ok=True)
        file = home / "all.yaml"
        file.write_text(_text(objects))
        return Prepared(self.variant, self.inventory, file, _chart(home / "chart", objects), objects)


def render(folder: Path, count: int, namespace: str, environment: Mapping[str, str]) -> list[Rendered]:
    """Both variants of ``count`` services, by the playbook that users run. Raises RuntimeError where it fails."""
    rendered = []
    for variant in VARIANTS:
        home = folder / variant
        source = inventory.write(home / "inventory", count, namespace, inventory.change(count, variant))
        target = home / "manifests"
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")), str(ROOT / "playbooks" / "render.yml"),
            "-i", str(source), "-e", f"platform_render_to={target}",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{count} services do not render:\n{done.stdout[-3000:]}\n{done.stderr[-1000:]}")
        rendered.append(Rendered(variant, source, namespace, _read(target)))
    return rendered


def _read(rendered: Path) -> list[Object]:
    files = [file for tier in _TIERS for file in sorted((rendered / tier).glob("*.yaml"))]
    objects = [obj for file in files for obj in yaml.load_all(file.read_text(), Loader=_Loader) if obj]
    for obj in objects:
        if "stringData" in obj:
            # As the engine sends it, so that everybody compares the same bytes.
            texts = obj.pop("stringData")
            obj["data"] = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return sorted(objects, key=lambda obj: obj["kind"] != "Namespace")


def _text(objects: list[Object]) -> str:
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, explicit_start=True)


def _chart(folder: Path, objects: list[Object]) -> Path:
    """A chart whose templates are the manifests; what Helm would take for its own syntax is escaped."""
    templates = folder / "templates"
    templates.mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: bench\nversion: 1.0.0\n")
    for obj in objects:
        name = f"{obj['kind']}-{obj['metadata']['name']}.yaml".lower()
        (templates / name).write_text(_text([obj]).replace("{{", '{{ "{{" }}'))
    return folder
