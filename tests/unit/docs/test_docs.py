"""The documentation is current: reference pages, links, make targets and names of variables."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from tools.docs.pages import pages

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
# Pages of the reference service speak of its own Makefile and metrics.
OF_PROJECT = [page for page in PAGES if not page.name.startswith("04")]
ROLES = ("platform", "namespace", "netpol", "datastores", "nats", "backup", "services", "frontend", "ingress")

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_MAKE = re.compile(r"(?:^\s*|`|[|&;] )make ([a-z][a-z-]*)", re.MULTILINE)
_VARIABLE = re.compile(rf"`((?:{'|'.join(ROLES)})_[a-z0-9_]+)[`.:=\[]")
# Files of the checkout that a page names: `roles/x/y.yml`, `playbooks/z.yml`.
_PATH = re.compile(r"`((?:roles|playbooks|plugins|inventories|tools|molecule|tests|images|docs)/[\w./-]*)`")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(text: str) -> str:
    return _FENCE.sub("", text)


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub gives the headings of a page."""
    found: set[str] = set()
    for heading in _HEADING.findall(prose(page.read_text())):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 1
        unique = anchor
        while unique in found:
            unique, number = f"{anchor}-{number}", number + 1
        found.add(unique)
    return frozenset(found)


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


def test_pages_that_are_made_are_current(made: dict[str, str]) -> None:
    assert {f"reference/{file.name}" for file in (DOCS / "reference").glob("*.md")} <= set(made), "run `make docs`"
    stale = [page for page, text in made.items() if not (DOCS / page).is_file() or (DOCS / page).read_text() != text]
    assert not stale, "run `make docs`"


def test_reference_names_every_plugin_and_variable(made: dict[str, str]) -> None:
    everything = "".join(made.values())
    for role in ROLES:
        for variable in yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text()):
            assert f"#### {variable}\n" in everything
    for file in [*(ROOT / "plugins" / "modules").glob("*.py"), *(ROOT / "plugins" / "filter").glob("*.py")]:
        assert f"# multi_agent.platform.{file.stem} (" in everything


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(prose(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), target


@pytest.mark.parametrize("page", OF_PROJECT, ids=name)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = page.read_text()
    if page.name == "coming-from-skaffold.md":  # its first column is another Makefile's
        text = re.sub(r"^\| [^|]*\|", "|", text, flags=re.MULTILINE)
    assert set(_MAKE.findall(text)) <= targets


@pytest.mark.parametrize("page", OF_PROJECT, ids=name)
def test_variables_exist(page: Path) -> None:
    # Credentials are described in the comments of the defaults.
    defaults = [(ROOT / "roles" / role / "defaults" / "main.yml").read_text() for role in ROLES]
    known = set(re.findall(r"[a-z0-9_]+", " ".join(defaults)))
    assert set(_VARIABLE.findall(page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_exist(page: Path) -> None:
    missing = [path for path in _PATH.findall(page.read_text()) if not (ROOT / path).exists()]
    assert not missing
