"""The release before this one, live and under load, is brought to this one."""

from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from .platform import ROOT, Platform
from .test_data import counts, kept, volumes
from .test_releases import EVERYWHERE, RATE, SAMPLE, SERVICES

pytestmark = pytest.mark.slow


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False).stdout


def before_this() -> str:
    """What to come from: UPGRADE_FROM, else the last tag before this commit, else the commit before the last change.

    A change is one of what the cluster gets: between others nothing would be upgraded.
    """
    change = git("log", "--max-count=1", "--format=%H", "--", "roles", "plugins", "playbooks").decode().strip()
    for revision in (
        os.environ.get("UPGRADE_FROM"),
        git("describe", "--tags", "--abbrev=0", "HEAD^").decode(),
        f"{change}^",
    ):
        if revision and (commit := git("rev-parse", "--verify", "--quiet", f"{revision.strip()}^{{commit}}")):
            return commit.decode().strip()
    pytest.skip("no commit before this one here: fetch the history, or set UPGRADE_FROM")


def test_an_upgrade_under_load_fails_no_request_and_loses_nothing(restored: Platform, tmp_path: Path) -> None:
    revision = before_this()
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", revision))) as files:
        files.extractall(tmp_path, filter="data")
    images = restored.images()
    restored.forget()
    former = dataclasses.replace(restored, checkout=tmp_path)
    former.site(kind_images=images)  # the nodes have these, whatever the former release called its own
    former.rolled_out()
    run_id = former.round_trip()
    before, claims = counts(kept(former, run_id)), volumes(former)
    # With a new release of every service, so that each pod is replaced on the way.
    release = {part: {"env": {"RELEASE": "next"}} for part in SERVICES}
    with restored.load("load-upgrade", EVERYWHERE, RATE) as end:
        run = restored.site(kind_overrides=release)
        time.sleep(max(0.0, SAMPLE / RATE - run.seconds))
        report = end()
    assert report["failed"] == 0, report
    assert report["sent"] >= SAMPLE, report
    print(f"from {revision[:12]} in {run.seconds:.0f} s: none of {report['sent']} requests failed")
    assert volumes(restored) == claims
    assert counts(kept(restored, run_id)) == before
    assert restored.site(kind_overrides=release).recap["changed"] == 0
