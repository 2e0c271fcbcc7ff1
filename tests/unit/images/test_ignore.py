"""What .dockerignore leaves out, by the examples of Docker's own documentation and tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import ConfigurationError
from ansible_collections.multi_agent.platform.plugins.module_utils.images.ignore import BadPatternError, Ignore

# A pattern, a path, and what the builder's matcher (github.com/moby/patternmatcher 0.6.1) says of the two: the path is
# left out, sent (in), or the pattern is refused.
CASES = [line.split("\t") for line in (Path(__file__).parent / "dockerignore.tsv").read_text().splitlines()]


@pytest.mark.parametrize(("pattern", "path", "verdict"), CASES)
def test_pattern_means_what_the_builder_takes_it_for(pattern: str, path: str, verdict: str) -> None:
    try:
        found = "out" if Ignore([pattern]).leaves_out(path) else "in"
    except BadPatternError:
        found = "refused"
    assert found == verdict


@pytest.mark.parametrize(
    ("patterns", "path", "out"),
    [
        (["*/temp*"], "somedir/temporary.txt", True),
        (["*/temp*"], "somedir/temp/inside.txt", True),
        (["*/temp*"], "a/b/temp", False),
        (["*/*/temp*"], "somedir/subdir/temporary.txt", True),
        (["temp?"], "tempa", True),
        (["temp?"], "temp", False),
        (["**/*.go"], "main.go", True),
        (["**/*.go"], "a/b/main.go", True),
        (["**/*.go"], "a/b/main.goo", False),
        (["*.md", "!README.md"], "README.md", False),
        (["*.md", "!README.md"], "CHANGELOG.md", True),
        (["*.md", "!README*.md", "README-secret.md"], "README-secret.md", True),
        (["*.md", "README-secret.md", "!README*.md"], "README-secret.md", False),
        (["/abs"], "abs/file", True),
        (["dir/"], "dir/file", True),
        (["dir/**"], "dir/a/b", True),
        (["dir/**"], "dir", False),
        (["./x/../y"], "y", True),
        (["  spaced  "], "spaced", True),
        (["#no pattern", ""], "#no pattern", False),
        (["[a-c]x"], "bx", True),
        (["[^a-c]x"], "bx", False),
        (["a.c"], "abc", False),
        ([r"\*star"], "*star", True),
        ([r"\*star"], "xstar", False),
        (["*", "!src"], "src/a/b.py", False),
        (["*", "!src", "src/**/__pycache__"], "src/a/__pycache__/b.pyc", True),
        (["*", "!src", "src/**/__pycache__"], "src/__pycache__", True),
        (["*", "!**.py"], "a.py", False),
        (["**", "!util/docker/web"], "util/docker/web/foo", False),
        (["**", "!util/docker/web", "util/docker/web/foo"], "util/docker/web/foo", True),
        (["docs", "  !docs/README.md  "], "docs/README.md", False),
    ],
)
def test_patterns(patterns: list[str], path: str, out: bool) -> None:
    assert Ignore(patterns).leaves_out(path) is out


@pytest.mark.parametrize(
    ("patterns", "folder", "closed"),
    [
        (["*", "!src/app"], "src", False),
        (["*", "!src/app"], "node_modules", True),
        (["*", "!**/*.py"], "src", False),
        (["node_modules"], "node_modules", True),
        (["node_modules"], "src", False),
        (["*", "!wheels/*.whl"], "wheels", False),
    ],
)
def test_a_folder_is_closed_only_where_nothing_below_can_be_sent(
    patterns: list[str], folder: str, closed: bool
) -> None:
    assert Ignore(patterns).closed(folder) is closed


def test_the_file_beside_the_dockerfile_wins(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("a\n")
    dockerfile = tmp_path / "Dockerfile"
    assert Ignore.of(tmp_path, dockerfile).leaves_out("a")
    (tmp_path / "Dockerfile.dockerignore").write_text("b\n")
    assert not Ignore.of(tmp_path, dockerfile).leaves_out("a")
    assert Ignore.of(tmp_path, dockerfile).leaves_out("b")


def test_refused_pattern_names_file_and_pattern(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("*.md\n[z-a]\n")
    with pytest.raises(ConfigurationError, match=r"\.dockerignore: the range z-a of the pattern \"\[z-a\]\" is empty"):
        Ignore.of(tmp_path, tmp_path / "Dockerfile")


def test_line_ends_only_at_a_newline(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_bytes("a\u2028b\r\nc\x0bd\n".encode())
    ignore = Ignore.of(tmp_path, tmp_path / "Dockerfile")
    assert ignore.leaves_out("a\u2028b")
    assert ignore.leaves_out("c\x0bd")
    assert not ignore.leaves_out("b")
