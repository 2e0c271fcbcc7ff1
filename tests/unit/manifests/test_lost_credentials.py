"""A volume whose credentials are lost must stop a run, so the engine has to find every volume of the platform."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from .manifests import Platform

VARS = Path(__file__).resolve().parents[3] / "roles" / "platform" / "vars" / "main.yml"


def test_the_selector_of_credentials_finds_the_claims_of_every_set(platform: Platform) -> None:
    selector = yaml.safe_load(VARS.read_text())["__platform_credentials"]["volumes"]
    match = re.fullmatch(r"(\S+) in \((.+)\)", selector)
    assert match
    label, values = match[1], match[2].split(",")
    claims = [
        claim
        for stateful_set in platform.of("StatefulSet").values()
        for claim in stateful_set["spec"]["volumeClaimTemplates"]
    ]
    assert len(claims) == 3
    assert all(claim["metadata"]["labels"][label] in values for claim in claims)
