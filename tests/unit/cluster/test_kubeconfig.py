"""The kubeconfig files that lead to clusters, and names that clusters may have."""

import base64
import stat
from pathlib import Path

import pytest
import yaml

from tools.cluster.errors import ClusterError
from tools.cluster.existing import Existing
from tools.cluster.kubeconfig import single_context, write_private
from tools.cluster.paths import ClusterPaths
from tools.cluster.progress import Progress

_TWO = {
    "current-context": "one",
    "contexts": [
        {"name": n, "context": {"cluster": f"c-{n}", "user": f"u-{n}", "namespace": n}} for n in ("one", "two")
    ],
    "clusters": [
        {"name": f"c-{n}", "cluster": {"server": f"https://{n}", "certificate-authority": "ca.crt"}}
        for n in ("one", "two")
    ],
    "users": [{"name": f"u-{n}", "user": {"token": f"token-{n}"}} for n in ("one", "two")],
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "ca.crt").write_text("a certificate")
    file = tmp_path / "source"
    file.write_text(yaml.safe_dump(_TWO))
    return file


def test_takes_one_context_with_all_it_needs(source: Path) -> None:
    config = yaml.safe_load(single_context(source, "two"))
    assert config["current-context"] == "two"
    assert config["contexts"] == [{"name": "two", "context": {"cluster": "two", "user": "two", "namespace": "two"}}]
    encoded = base64.b64encode(b"a certificate").decode()
    assert config["clusters"][0]["cluster"] == {"server": "https://two", "certificate-authority-data": encoded}
    assert config["users"][0]["user"] == {"token": "token-two"}


def test_takes_the_current_context_and_renames_it(source: Path) -> None:
    config = yaml.safe_load(single_context(source, None, "mine"))
    assert config["current-context"] == "mine"
    assert config["users"] == [{"name": "mine", "user": {"token": "token-one"}}]


def test_names_the_contexts_that_there_are(source: Path) -> None:
    with pytest.raises(ClusterError, match="has no context 'three': it has one, two"):
        single_context(source, "three")


def test_refuses_what_is_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"cannot read the kubeconfig .*No such file"):
        single_context(tmp_path / "none", None)
    (tmp_path / "list").write_text("[]")
    with pytest.raises(ClusterError, match="is no kubeconfig"):
        single_context(tmp_path / "list", None)


def test_is_written_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "a" / "kubeconfig"
    write_private(file, "first")
    write_private(file, "second")
    assert file.read_text() == "second"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_existing_clusters_are_copied_and_never_touched(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER_KUBECONFIG", str(source))
    monkeypatch.setenv("CLUSTER_CONTEXT", "two")
    paths = ClusterPaths("mine", tmp_path / "clusters")
    Existing().create(paths, Progress())
    assert yaml.safe_load(paths.kubeconfig.read_text())["current-context"] == "two"
    assert Existing().running(paths)
    Existing().delete(paths, Progress())
    assert yaml.safe_load(source.read_text()) == _TWO


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a/b", "..", "a" * 41, "a\n"])
def test_refuses_names_that_are_no_names(name: str) -> None:
    with pytest.raises(ClusterError, match="cluster name"):
        ClusterPaths(name)
