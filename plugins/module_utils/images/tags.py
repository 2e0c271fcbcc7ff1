"""Tags of images by policy: the commit of the sources, the content, or a name that somebody gives."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ..engine.errors import EngineError
from .ignore import Ignore
from .sources import Build

POLICIES = ("commit", "content", "given")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SHOWN = 10


def tag(policy: str, given: str, builds: Iterable[Build]) -> str:
    """The tag of all builds; empty where each gets its content's. Raises EngineError for one that is refused."""
    if policy == "content":
        if given:
            raise EngineError(
                f'images_tag = "{given}" has no use with images_tag_policy: content.',
                "Leave one of them out.",
            )
        return ""
    if policy == "given":
        return _given(given)
    return _commit(list(builds))


def _given(text: str) -> str:
    if not text:
        raise EngineError("images_tag_policy is given, and no tag was.", "Set images_tag (TAG=1.4.0 with make).")
    if not _TAG.fullmatch(text):
        raise EngineError(
            f'images_tag = "{text}" is no tag.',
            "Use up to 128 letters, digits, _, . and -, beginning with a letter, a digit or _: 1.4.0",
        )
    if text == "latest":
        raise EngineError(
            'images_tag = "latest" is refused: it names whatever was pushed last, so nobody can tell what is deployed.',
            "Give a version, such as 1.4.0, or leave images_tag out.",
        )
    return text


def _commit(builds: list[Build]) -> str:
    """The commit of the folder that holds the contexts. Raises EngineError where files differ from it, by name."""
    if not builds:
        return ""
    commits = set()
    changed: list[str] = []
    for build in builds:
        top = _git(build, "rev-parse", "--show-toplevel")
        commits.add(_git(build, "rev-parse", "--short=12", "HEAD"))
        changed += _changed(build, Path(top))
    if changed:
        shown = "\n".join(f"- {name}" for name in sorted(set(changed))[:_SHOWN])
        more = f"\n- and {len(set(changed)) - _SHOWN} more" if len(set(changed)) > _SHOWN else ""
        raise EngineError(
            f"The sources are not those of a commit, so a commit cannot name their images:\n{shown}{more}",
            "Commit or remove these, or choose images_tag_policy: content.",
        )
    if len(commits) > 1:
        raise EngineError(
            f"The sources come from different commits: {', '.join(sorted(commits))}.",
            "Build each repository alone (images_parts), or choose images_tag_policy: content.",
        )
    return commits.pop()


def _changed(build: Build, top: Path) -> list[str]:
    """Files of the context that differ from the commit and that the builder would be sent, relative to ``top``."""
    ignore = Ignore.of(build.context, build.dockerfile)
    # -z: names as they are, and a rename as two entries, of which the second is the old name.
    entries = iter(
        _git(build, "status", "--porcelain", "-z", "--untracked-files=all", "--", ".", strip=False).split("\0")
    )
    found = []
    for entry in entries:
        if not entry:
            continue
        if entry[0] in "RC":
            next(entries, None)
        path = (top / entry[3:]).resolve()
        inside = path.relative_to(build.context).as_posix() if path.is_relative_to(build.context) else ""
        if not inside or path == build.dockerfile or not ignore.leaves_out(inside):
            found.append(entry[3:])
    return found


def _git(build: Build, *arguments: str, strip: bool = True) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(build.context), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise EngineError(
            "git is not installed, and images_tag_policy is commit.",
            "Install git, or choose images_tag_policy: content.",
        ) from None
    if done.returncode != 0:
        raise EngineError(
            f"{build.label}: {build.context} has no commit for the tag: {done.stderr.strip() or 'git failed'}.",
            "Use a git checkout with a commit, or images_tag_policy: content, or give images_tag.",
        )
    return done.stdout.strip() if strip else done.stdout
