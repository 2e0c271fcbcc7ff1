"""Provides the programs of the embedded cluster: built or downloaded once, then kept in the cache."""

import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from .build import build, go_version
from .download import download
from .errors import ClusterError
from .locks import folder_lock
from .paths import cache_home
from .progress import Progress
from .recipe import PROGRAMS, build_key, download_key

VARIABLE = "CLUSTER_PROGRAMS"


def ensure_programs(progress: Progress) -> Path:
    """The folder of the programs, provided if it has to be.

    `CLUSTER_PROGRAMS` says how: `build`, `download`, or `auto` (default): what the cache holds already, else a build
    where Go is installed, since go.sum pins every byte of it, else the official downloads.
    """
    wish = os.environ.get(VARIABLE, "auto")
    built, downloaded = (cache_home() / "programs" / key for key in (build_key(), download_key()))
    match wish:
        case "auto":
            return next((folder for folder in (built, downloaded) if _complete(folder)), None) or _provide_by_choice(
                built, downloaded, progress
            )
        case "build":
            return _build(built, "CLUSTER_PROGRAMS asks for it", progress)
        case "download":
            return _download(downloaded, "CLUSTER_PROGRAMS asks for it", progress)
        case _:
            raise ClusterError(f"{VARIABLE}={wish!r}: use auto, build or download")


def _provide_by_choice(built: Path, downloaded: Path, progress: Progress) -> Path:
    go = go_version()
    if go:
        return _build(built, f"{go} is installed", progress)
    why = "Go is too old and cannot fetch a newer one" if shutil.which("go") else "Go is not installed"
    return _download(downloaded, why, progress)


def _build(folder: Path, why: str, progress: Progress) -> Path:
    with _alone(folder, progress):
        if not _complete(folder):
            progress.say(f"The cluster's programs are built once ({why}): about 10 minutes on 2 cores, into {folder}")
            build(folder, progress)
    return folder


def _download(folder: Path, why: str, progress: Progress) -> Path:
    with _alone(folder, progress):
        if not _complete(folder):
            progress.say(f"The cluster's programs are downloaded once ({why}): about 0.5 GB, into {folder}")
            download(folder, progress)
    return folder


def _alone(folder: Path, progress: Progress) -> AbstractContextManager[None]:
    return folder_lock(folder, lambda: progress.say("Another process provides the cluster's programs: waiting for it"))


def _complete(folder: Path) -> bool:
    return all((folder / program.name).exists() for program in PROGRAMS)
