"""What is kept is what the templates make."""

from __future__ import annotations

import difflib

import pytest
import yaml

from tests.golden import rendering


@pytest.fixture(scope="module")
def rendered() -> dict[str, dict[str, str]]:
    return rendering.render_all(list(rendering.CASES))


@pytest.mark.parametrize("name", rendering.CASES)
def test_kept_manifests_are_what_is_rendered(name: str, rendered: dict[str, dict[str, str]]) -> None:
    kept = rendering.stored(name)
    assert sorted(kept) == sorted(rendered[name])
    for tier, text in rendered[name].items():
        changes = difflib.unified_diff(kept[tier].splitlines(), text.splitlines(), "kept", "rendered", lineterm="", n=2)
        shown = "\n".join(list(changes)[:60])
        assert not shown, f"{name}/{tier} differs; if that is meant, run tests/golden/update\n{shown}"


def test_rendering_twice_makes_the_same_files(rendered: dict[str, dict[str, str]]) -> None:
    assert rendering.render("own-names") == rendered["own-names"]


@pytest.mark.parametrize("name", rendering.CASES)
def test_no_value_of_a_credential_is_in_a_manifest(name: str) -> None:
    values = yaml.safe_load((rendering.GOLDEN / "credentials.yml").read_text())["platform_credentials"].values()
    text = "".join(rendering.stored(name).values())
    assert not [value[:12] for value in values if value in text]
