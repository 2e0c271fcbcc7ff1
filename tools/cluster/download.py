"""Fetches the programs from their official places and checks every file by SHA-256 before it may run."""

import hashlib
import json
import os
import tarfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import cast

from .errors import ClusterError
from .paths import TOOLS
from .progress import Progress
from .recipe import PROGRAMS, Program, Target, Versions

MIRROR_VARIABLE = "CLUSTER_DOWNLOAD_MIRROR"
PINS = TOOLS / "programs.sha256"

_ATTEMPTS = 3
_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """Where one program comes from.

    `address` has no scheme: `dl.k8s.io/...`, so that a mirror is a prefix. `member` is the path inside of an archive.
    """

    program: Program
    address: str
    member: str | None = None


def sources(versions: Versions, target: Target) -> list[Source]:
    """The official download of each program.

    Raises ClusterError for a machine that Kubernetes publishes no server programs for.
    """
    if target.system != "linux":
        raise ClusterError(
            f"Kubernetes publishes its server programs for Linux only, not for {target.system}: "
            "install Go (https://go.dev/dl) and they are built from source"
        )
    machine = f"{target.system}-{target.architecture}"
    kubernetes = f"dl.k8s.io/release/{versions.kubernetes}/bin/{target.system}/{target.architecture}"
    etcd = f"etcd-{versions.etcd}-{machine}"
    etcd_release = f"github.com/etcd-io/etcd/releases/download/{versions.etcd}"
    kwok_release = f"github.com/kubernetes-sigs/kwok/releases/download/{versions.kwok}"

    def source(program: Program) -> Source:
        match program.name:
            case "etcd":
                return Source(program, f"{etcd_release}/{etcd}.tar.gz", f"{etcd}/etcd")
            case "kwok" | "kwokctl":
                return Source(program, f"{kwok_release}/{program.name}-{machine}")
            case _:
                return Source(program, f"{kubernetes}/{program.name}")

    return [source(program) for program in PROGRAMS]


def download(destination: Path, progress: Progress, pins: Path = PINS) -> None:
    """Fetch what is missing in `destination`. Each program appears checked and whole, or not at all.

    Raises ClusterError when a file cannot be had or is not what its checksum says; nothing of it is kept then.
    """
    destination.mkdir(parents=True, exist_ok=True)
    pinned = read_pins(pins)
    wanted = sources(Versions.read(), Target.here())
    for number, source in enumerate(wanted, start=1):
        if not (destination / source.program.name).exists():
            with progress.step(number, len(wanted), f"downloading {source.program.name}"):
                _download_one(source, destination, pinned)
    unpinned = [source.program.name for source in wanted if source.address not in pinned]
    if unpinned:
        progress.say(f"Checked by what their publishers serve, for want of a pin in {pins.name}: {', '.join(unpinned)}")


def read_pins(file: Path) -> dict[str, str]:
    """The pinned checksums, by address. The file has the form that sha256sum writes; # starts a comment."""
    lines = (line.split("#")[0].split() for line in file.read_text().splitlines())
    return {fields[1]: fields[0] for fields in lines if fields}


def _download_one(source: Source, destination: Path, pinned: dict[str, str]) -> None:
    expected = pinned.get(source.address) or _published_checksum(source.address)
    archive = destination / f".{source.program.name}.download"
    try:
        actual = _fetch_to(source.address, archive)
        if actual != expected:
            raise ClusterError(
                f"{_url(source.address)} has SHA-256 {actual}, expected {expected}: it was thrown away. "
                "Something between here and the publisher changes or cuts files: "
                "try another network, or build from source (CLUSTER_PROGRAMS=build)."
            )
        unfinished = destination / f".{source.program.name}.unfinished"
        if source.member is None:
            archive.replace(unfinished)
        else:
            _extract(archive, source.member, unfinished)
        unfinished.chmod(0o755)
        unfinished.replace(destination / source.program.name)
    finally:
        archive.unlink(missing_ok=True)


def _extract(archive: Path, member: str, file: Path) -> None:
    with tarfile.open(archive) as content:
        program = content.extractfile(member)
        if program is None:
            raise ClusterError(f"{archive.name} holds no file {member}")
        with file.open("wb") as output:
            while block := program.read(_CHUNK_BYTES):
                output.write(block)


def _published_checksum(address: str) -> str:
    """The checksum that the publisher serves: a file beside it, a list (etcd), or the release's metadata (kwok)."""
    folder, _, name = address.rpartition("/")
    checksum: str | None
    if address.startswith("dl.k8s.io/"):
        checksum = next(iter(_fetch(f"{address}.sha256").decode().split()), None)
    elif address.startswith("github.com/etcd-io/"):
        lines = (line.split() for line in _fetch(f"{folder}/SHA256SUMS").decode().splitlines())
        checksum = {fields[1]: fields[0] for fields in lines if len(fields) == 2}.get(name)
    else:
        repository, tag = folder.removeprefix("github.com/").split("/releases/download/")
        release = json.loads(_fetch(f"api.github.com/repos/{repository}/releases/tags/{tag}"))
        digests = {asset["name"]: asset.get("digest") or "" for asset in release["assets"]}
        checksum = digests.get(name, "").removeprefix("sha256:") or None
    if not checksum:
        raise ClusterError(
            f"the publisher serves no checksum for {_url(address)}: pin it in {PINS.relative_to(TOOLS.parent)}"
        )
    return checksum


def _url(address: str) -> str:
    mirror = os.environ.get(MIRROR_VARIABLE)
    return f"{mirror.rstrip('/')}/{address}" if mirror else f"https://{address}"


def _fetch(address: str) -> bytes:
    with _open(address) as answer:
        return bytes(answer.read())


def _fetch_to(address: str, file: Path) -> str:
    """Stream to a file; returns the SHA-256 of what arrived."""
    digest = hashlib.sha256()
    with _open(address) as answer, file.open("wb") as output:
        while block := answer.read(_CHUNK_BYTES):
            digest.update(block)
            output.write(block)
    return digest.hexdigest()


def _open(address: str) -> HTTPResponse:
    """Open an address, again after a failure that may pass. Raises ClusterError with the address and the remedy."""
    url = _url(address)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            answer = urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)  # noqa: S310  # https, or the user's own mirror
            return cast(HTTPResponse, answer)
        except urllib.error.HTTPError as error:
            problem = f"{error.code} {error.reason}"
            if error.code < 500 and error.code != 429:
                break
        except (OSError, HTTPException) as error:
            problem = str(getattr(error, "reason", error))
        if attempt < _ATTEMPTS:
            time.sleep(attempt)
    raise ClusterError(
        f"cannot download {url}: {problem}. Without a way to it, install Go (https://go.dev/dl) to build the programs "
        f"(CLUSTER_PROGRAMS=build), or name a mirror in {MIRROR_VARIABLE}."
    )
