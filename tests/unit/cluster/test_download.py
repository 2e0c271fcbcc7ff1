"""Downloads: only what its checksum vouches for is kept, and a failure says what to do."""

import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools.cluster import download as subject
from tools.cluster.errors import ClusterError
from tools.cluster.progress import Progress
from tools.cluster.recipe import PROGRAMS, Target, Versions

VERSIONS = Versions.read()
LINUX = Target("linux", "amd64")
SOURCES = {source.program.name: source for source in subject.sources(VERSIONS, LINUX)}


class Publisher:
    """Serves files by address, as the publishers do; `answers` may be changed, `asked` says what was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | int] = {}
        self.cut: set[str] = set()
        self.asked: list[str] = []
        self._publish()

    def _publish(self) -> None:
        kwok_assets = []
        for name, source in SOURCES.items():
            content = _archive(source.member, name) if source.member else _program(name)
            self.answers[source.address] = content
            digest = hashlib.sha256(content).hexdigest()
            folder, _, file = source.address.rpartition("/")
            if source.address.startswith("dl.k8s.io/"):
                self.answers[f"{source.address}.sha256"] = digest.encode()
            elif name == "etcd":
                self.answers[f"{folder}/SHA256SUMS"] = f"{'0' * 64}  other.zip\n{digest}  {file}\n".encode()
            else:
                kwok_assets.append({"name": file, "digest": f"sha256:{digest}"})
        release = f"api.github.com/repos/kubernetes-sigs/kwok/releases/tags/{VERSIONS.kwok}"
        self.answers[release] = json.dumps({"assets": kwok_assets}).encode()


def _program(name: str) -> bytes:
    return f"the program {name}\n".encode() * 1000


def _archive(member: str, name: str) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz") as archive:
        entry = tarfile.TarInfo(member)
        entry.size = len(_program(name))
        archive.addfile(entry, io.BytesIO(_program(name)))
    return output.getvalue()


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    publisher = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = self.path.lstrip("/")
            publisher.asked.append(address)
            answer = publisher.answers.get(address, 404)
            if isinstance(answer, int):
                self.send_error(answer)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer[: len(answer) // 2] if address in publisher.cut else answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(subject.MIRROR_VARIABLE, f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(Target, "here", classmethod(lambda cls: LINUX))
    yield publisher
    server.shutdown()
    server.server_close()


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    file = tmp_path / "programs.sha256"
    file.write_text("# none yet\n")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "programs"


def _download(folder: Path, pins: Path) -> str:
    said = io.StringIO()
    subject.download(folder, Progress(said), pins)
    return said.getvalue()


def test_keeps_programs_that_are_what_their_publishers_say(publisher: Publisher, folder: Path, pins: Path) -> None:
    said = _download(folder, pins)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {p.name: _program(p.name) for p in PROGRAMS}
    assert all(file.stat().st_mode & 0o111 for file in folder.iterdir())
    assert f"[{len(PROGRAMS)}/{len(PROGRAMS)}]" in said
    assert "for want of a pin" in said


def test_asks_only_for_what_is_missing(publisher: Publisher, folder: Path, pins: Path) -> None:
    _download(folder, pins)
    (folder / "etcd").unlink()
    publisher.asked.clear()
    _download(folder, pins)
    assert len(publisher.asked) == 2
    assert all("etcd" in address for address in publisher.asked)


def test_a_pin_wins_over_the_publisher(publisher: Publisher, folder: Path, pins: Path) -> None:
    source = SOURCES["kube-apiserver"]
    pins.write_text(f"{'a' * 64}  {source.address}\n")
    with pytest.raises(ClusterError, match=f"expected {'a' * 64}"):
        _download(folder, pins)
    assert f"{source.address}.sha256" not in publisher.asked


def test_with_all_pins_nothing_is_asked_but_the_files(publisher: Publisher, folder: Path, pins: Path) -> None:
    lines = []
    for source in SOURCES.values():
        content = publisher.answers[source.address]
        assert isinstance(content, bytes)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  {source.address}  # a comment\n")
    pins.write_text("".join(lines))
    assert "for want of a pin" not in _download(folder, pins)
    assert sorted(publisher.asked) == sorted(source.address for source in SOURCES.values())


@pytest.mark.parametrize("name", ["kube-apiserver", "etcd", "kwok"])
def test_throws_away_what_was_changed_on_the_way(publisher: Publisher, folder: Path, pins: Path, name: str) -> None:
    publisher.answers[SOURCES[name].address] = b"something else"
    with pytest.raises(ClusterError, match=r"has SHA-256 .* it was thrown away"):
        _download(folder, pins)
    assert not [file for file in folder.iterdir() if name in file.name and file.name != "kwokctl"]


def test_throws_away_what_was_cut(publisher: Publisher, folder: Path, pins: Path) -> None:
    publisher.cut.add(SOURCES["kubectl"].address)
    with pytest.raises(ClusterError):
        _download(folder, pins)
    assert not [file for file in folder.iterdir() if "kubectl" in file.name]


@pytest.mark.parametrize(("status", "times"), [(404, 1), (403, 1), (503, 3), (429, 3)])
def test_tries_again_only_what_may_pass(
    publisher: Publisher, folder: Path, pins: Path, status: int, times: int
) -> None:
    address = f"{SOURCES['kube-apiserver'].address}.sha256"
    publisher.answers[address] = status
    with pytest.raises(ClusterError, match=rf"{status} .*CLUSTER_PROGRAMS=build"):
        _download(folder, pins)
    assert publisher.asked == [address] * times


def test_says_when_there_is_no_way_to_the_publisher(folder: Path, pins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(subject.MIRROR_VARIABLE, "http://127.0.0.1:1")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(Target, "here", classmethod(lambda cls: LINUX))
    with pytest.raises(ClusterError, match=r"cannot download http://127\.0\.0\.1:1/dl\.k8s\.io/.*refused"):
        _download(folder, pins)


def test_has_no_downloads_for_macos() -> None:
    with pytest.raises(ClusterError, match="Linux only, not for darwin: install Go"):
        subject.sources(VERSIONS, Target("darwin", "arm64"))


def test_the_pins_of_the_project_can_be_read() -> None:
    assert all(len(checksum) == 64 for checksum in subject.read_pins(subject.PINS).values())
