"""Which connection options, environment and kubeconfig make; agreement with the official client; every error."""

from __future__ import annotations

import base64
import json
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client as k8s
from kubernetes import config as loader

from .imports import config, errors

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def _data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig(folder: Path, cluster: dict[str, Any], user: dict[str, Any] | None, name: str = "config") -> Path:
    """A kubeconfig of two contexts, of which ``here`` is the current one."""
    context: dict[str, Any] = {"cluster": "c"} | ({"user": "u"} if user is not None else {})
    other = {"cluster": "other"}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": context}, {"name": "there", "context": other}],
        "clusters": [
            {"name": "c", "cluster": {"server": "https://api.example.test:6443", **cluster}},
            {"name": "other", "cluster": {"server": "https://other.example.test"}},
        ],
        "users": [{"name": "u", "user": user or {}}],
    }
    file = folder / name
    file.write_text(yaml.safe_dump(document))
    return file


CLUSTERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ca data": {"certificate-authority-data": _data(PEM)},
    "ca file": {"certificate-authority": "ca.crt"},
    "insecure": {"insecure-skip-tls-verify": True},
    "server name": {"tls-server-name": "kubernetes"},
    "proxy": {"proxy-url": "http://proxy.example.test:3128"},
    "path": {"server": "https://gate.example.test/k8s/clusters/c-1"},
}
USERS: dict[str, dict[str, Any]] = {
    "nobody": {},
    "token": {"token": "abc"},
    "token file": {"tokenFile": "token"},
    "basic": {"username": "jane", "password": "pa:ss"},
    "certificate data": {"client-certificate-data": _data("CERT"), "client-key-data": _data("KEY")},
    "certificate files": {"client-certificate": "client.crt", "client-key": "client.key"},
    "certificate and token": {"client-certificate": "client.crt", "client-key": "client.key", "token": "abc"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"ca.crt": PEM, "client.crt": "CERT", "client.key": "KEY", "token": "from-file\n"}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("user", USERS, ids=str)
@pytest.mark.parametrize("cluster", CLUSTERS, ids=str)
def test_reads_a_kubeconfig_as_the_official_client_does(folder: Path, cluster: str, user: str) -> None:
    file = kubeconfig(folder, CLUSTERS[cluster], USERS[user])
    ours = config.resolve({"kubeconfig": str(file)}, {})
    official = k8s.Configuration()
    loader.load_kube_config(str(file), client_configuration=official)

    def content(path: str | None) -> bytes | None:
        return Path(path).read_bytes() if path else None

    assert ours.server == official.host
    assert ours.ca == content(official.ssl_ca_cert)
    assert ours.verify == official.verify_ssl
    assert ours.tls_server_name == official.tls_server_name
    assert ours.client_cert == content(official.cert_file)
    assert ours.client_key == content(official.key_file)
    # The official loader drops proxy-url; kubectl uses it, and so do we.
    assert ours.proxy == CLUSTERS[cluster].get("proxy-url")
    theirs = (official.get_api_key_with_prefix("BearerToken") or "").strip() or None  # a file may end its line
    if "username" in USERS[user]:
        # The official loader understands basic auth, but hands it over only with a Configuration of its own.
        theirs = "Basic " + _data("jane:pa:ss")
    assert ours.authorization() == theirs


def test_token_file_is_read_anew(folder: Path) -> None:
    connection = config.resolve({"kubeconfig": str(kubeconfig(folder, {}, {"tokenFile": "token"}))}, {})
    assert connection.authorization() == "Bearer from-file"
    (folder / "token").write_text("renewed")
    assert connection.authorization() == "Bearer renewed"


def test_impersonation_of_a_kubeconfig(folder: Path) -> None:
    file = kubeconfig(folder, {}, {"token": "t", "as": "jane", "as-groups": ["a", "b"]})
    assert config.resolve({"kubeconfig": str(file)}, {}).headers == {
        "Impersonate-User": "jane",
        "Impersonate-Group": "a\nb",
    }


def _exec_user(folder: Path) -> dict[str, Any]:
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-exec"},
    }
    program = folder / "login"
    program.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(program),
            "interactiveMode": "Never",
        }
    }


def test_exec_plugins_run(folder: Path) -> None:
    file = kubeconfig(folder, {"certificate-authority": "ca.crt"}, _exec_user(folder))
    connection = config.resolve({"kubeconfig": str(file)}, {})
    assert connection.authorization() == "Bearer from-exec"
    assert connection.ca == PEM.encode()


def test_exec_plugins_and_impersonation(folder: Path) -> None:
    file = kubeconfig(folder, {}, {**_exec_user(folder), "as": "jane", "as-groups": ["a"]})
    assert config.resolve({"kubeconfig": str(file)}, {}).headers == {
        "Impersonate-User": "jane",
        "Impersonate-Group": "a",
    }


def test_several_files_are_merged(folder: Path) -> None:
    one = kubeconfig(folder, {}, {"token": "one"}, "one")
    two = folder / "two"
    two.write_text(one.read_text().replace("name: here", "name: second").replace("one", "two"))
    env = {"KUBECONFIG": f"{one}:{two}"}
    assert config.resolve({}, env).authorization() == "Bearer one"
    assert config.resolve({"context": "second"}, env).server == "https://api.example.test:6443"


def test_a_kubeconfig_as_a_dict(folder: Path) -> None:
    document = yaml.safe_load(kubeconfig(folder, {}, {"token": "t"}).read_text())
    assert config.resolve({"kubeconfig": document}, {}).authorization() == "Bearer t"


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_kubeconfig_as_text(folder: Path, form: str) -> None:
    document = yaml.safe_load(kubeconfig(folder, {}, {"token": "t"}).read_text())
    text = yaml.safe_dump(document) if form == "yaml" else json.dumps(document)
    connection = config.resolve({"kubeconfig": text}, {})
    assert (connection.server, connection.authorization()) == ("https://api.example.test:6443", "Bearer t")
    assert connection.address == "https://api.example.test:6443, context here"


def test_keys_of_a_kubeconfig_as_data_reach_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = {**_exec_user(folder), "client-certificate-data": _data("CERT"), "client-key-data": _data("KEY-IN-CLEAR")}
    document = yaml.safe_load(kubeconfig(folder, {}, user).read_text())
    written: list[str] = []
    create = tempfile.mkstemp

    def mkstemp(*arguments: Any, **options: Any) -> tuple[int, str]:
        made = create(*arguments, **options)
        written.append(made[1])
        return made

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)
    connection = config.resolve({"kubeconfig": document}, {})
    assert (connection.client_cert, connection.client_key) == (b"CERT", b"KEY-IN-CLEAR")
    assert connection.authorization() == "Bearer from-exec"
    assert not [path for path in written if b"KEY-IN-CLEAR" in Path(path).read_bytes()]


@pytest.mark.parametrize("text", ["clusters: [\nhunter22", "x" * 600 + "hunter22", "a: b\npassword: hunter22"])
def test_a_kubeconfig_that_is_none_is_not_quoted(text: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        config.resolve({"kubeconfig": text}, {})
    assert "kubeconfig" in str(caught.value)
    assert "hunter22" not in str(caught.value)
    with pytest.raises(errors.ConfigurationError) as caught:
        config.refuse_contradiction({"kubeconfig": text}, {"K8S_AUTH_HOST": "https://jane:hunter22@env.test"})
    assert "hunter22" not in str(caught.value)
    assert "https://env.test" in str(caught.value)


# --- precedence -------------------------------------------------------------------------------------------------------


def test_options_come_before_the_environment_and_both_before_the_kubeconfig(folder: Path) -> None:
    file = kubeconfig(folder, {}, {"token": "of-file"})
    env = {"K8S_AUTH_KUBECONFIG": str(file), "K8S_AUTH_API_KEY": "of-env", "K8S_AUTH_HOST": "https://env.test"}
    assert config.resolve({}, {"K8S_AUTH_KUBECONFIG": str(file)}).authorization() == "Bearer of-file"
    from_env = config.resolve({}, env)
    assert (from_env.server, from_env.authorization()) == ("https://env.test", "Bearer of-env")
    from_options = config.resolve({"api_key": "of-option", "host": "https://option.test"}, env)
    assert (from_options.server, from_options.authorization()) == ("https://option.test", "Bearer of-option")


def test_own_context_is_stronger_than_a_host_of_the_environment(folder: Path) -> None:
    file = kubeconfig(folder, {}, {"token": "of-file"})
    env = {"K8S_AUTH_HOST": "https://env.test", "K8S_AUTH_API_KEY": "of-env", "K8S_AUTH_SSL_CA_CERT": "/no/ca"}
    with pytest.raises(errors.ConfigurationError, match="/no/ca"):  # the kubeconfig brings no authority
        config.resolve({"kubeconfig": str(file), "context": "here"}, env)
    del env["K8S_AUTH_SSL_CA_CERT"]
    found = config.resolve({"kubeconfig": str(file), "context": "here"}, env)
    assert (found.server, found.authorization()) == ("https://api.example.test:6443", "Bearer of-file")
    assert config.resolve({"context": "here"}, {"K8S_AUTH_KUBECONFIG": str(file)}).context == "here"


def test_environment_completes_what_the_host_leaves_out(folder: Path) -> None:
    params = {"host": "https://own.test"}
    assert config.resolve(params, {"K8S_AUTH_API_KEY": "of-env"}).authorization() == "Bearer of-env"
    file = str(kubeconfig(folder, {"server": "https://own.test"}, {"token": "of-file"}))
    assert config.resolve(params, {"K8S_AUTH_KUBECONFIG": file}).authorization() == "Bearer of-file"
    nobody = str(kubeconfig(folder, {}, {}, "nobody"))
    assert config.resolve({"kubeconfig": nobody}, {"K8S_AUTH_API_KEY": "x"}).authorization() == "Bearer x"
    with pytest.raises(errors.ConfigurationError, match=r"no login to https://own\.test is given"):
        config.resolve(params, {})


@pytest.mark.parametrize(
    ("params", "env"),
    [
        ({"context": "here"}, {"K8S_AUTH_KUBECONFIG": "FILE"}),
        ({"kubeconfig": "FILE"}, {"KUBECONFIG": "/somewhere/else"}),
        ({"kubeconfig": "FILE"}, {"K8S_AUTH_KUBECONFIG": "COPY"}),
        ({"kubeconfig": "FILE"}, {"K8S_AUTH_CONTEXT": "here"}),
        ({"host": "api.example.test:6443"}, {"K8S_AUTH_HOST": "https://API.example.test.:6443/"}),
        ({}, {"K8S_AUTH_HOST": "https://env.test", "K8S_AUTH_KUBECONFIG": "/nonexistent"}),
        ({"context": "there"}, {"K8S_AUTH_KUBECONFIG": "FILE", "K8S_AUTH_HOST": "https://other.example.test"}),
    ],
)
def test_words_that_agree_are_accepted(folder: Path, params: dict[str, str], env: dict[str, str]) -> None:
    paths = {"FILE": str(kubeconfig(folder, {}, {})), "COPY": str(kubeconfig(folder, {}, {}, "copy"))}
    config.refuse_contradiction(*({key: paths.get(v, v) for key, v in said.items()} for said in (params, env)))


@pytest.mark.parametrize(
    ("params", "env", "both"),
    [
        ({"context": "eu"}, {"K8S_AUTH_HOST": "https://env.test"}, ("platform_context eu", "K8S_AUTH_HOST")),
        ({"kubeconfig": "FILE"}, {"K8S_AUTH_CONTEXT": "there"}, ("platform_kubeconfig", "K8S_AUTH_CONTEXT there")),
        ({"host": "https://own.test"}, {"K8S_AUTH_KUBECONFIG": "FILE"}, ("platform_host", "K8S_AUTH_KUBECONFIG")),
        ({"kubeconfig": "FILE"}, {"K8S_AUTH_KUBECONFIG": "/gone"}, ("platform_kubeconfig", "K8S_AUTH_KUBECONFIG")),
        ({"context": "here"}, {"K8S_AUTH_CONTEXT": "there", "K8S_AUTH_KUBECONFIG": "FILE"}, ("here", "there")),
    ],
)
def test_words_that_contradict_are_refused_by_name(
    folder: Path, params: dict[str, str], env: dict[str, str], both: tuple[str, str]
) -> None:
    file = str(kubeconfig(folder, {}, {"token": "t"}))
    given = [{key: file if v == "FILE" else v for key, v in said.items()} for said in (params, env)]
    with pytest.raises(errors.ConfigurationError) as caught:
        config.refuse_contradiction(given[0], given[1])
    assert all(word in str(caught.value) for word in both), caught.value


def test_a_host_with_credentials_needs_no_kubeconfig(tmp_path: Path) -> None:
    env = {"KUBECONFIG": str(tmp_path / "none"), "K8S_AUTH_HOST": "api.test:6443", "K8S_AUTH_API_KEY": "Bearer x"}
    connection = config.resolve({}, env)
    assert (connection.server, connection.authorization()) == ("https://api.test:6443", "Bearer x")
    assert connection.verify


def test_named_context_and_overrides(folder: Path) -> None:
    file = kubeconfig(folder, {"certificate-authority": "ca.crt"}, {"token": "t"})
    assert config.resolve({"kubeconfig": str(file), "context": "there"}, {}).server == "https://other.example.test"
    assert config.resolve({"context": "there"}, {"KUBECONFIG": str(file)}).server == "https://other.example.test"
    changed = config.resolve({"kubeconfig": str(file), "validate_certs": "no", "ca_cert": str(folder / "token")}, {})
    assert (changed.verify, changed.ca) == (False, b"from-file\n")


def test_user_password_and_client_certificate_options(folder: Path) -> None:
    basic = config.resolve({"host": "https://x", "username": "jane", "password": "p"}, {})
    assert basic.authorization() == "Basic " + _data("jane:p")
    cert = config.resolve({"host": "https://x", "client_cert": str(folder / "client.crt")}, {})
    assert (cert.client_cert, cert.client_key) == (b"CERT", b"CERT")  # one file may hold both


def test_in_a_pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pod-token\n")
    (tmp_path / "ca.crt").write_text(PEM)
    monkeypatch.setattr(config, "SERVICE_ACCOUNT", tmp_path)
    env = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    connection = config.resolve({}, env)
    assert (connection.server, connection.authorization()) == ("https://[fd00::1]:443", "Bearer pod-token")
    (tmp_path / "token").write_text("rotated")
    assert connection.authorization() == "Bearer rotated"


@pytest.mark.parametrize(
    ("params", "env", "expected"),
    [
        ({}, {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({}, {"https_proxy": "http://p:1"}, "http://p:1"),
        ({"proxy": "http://q:1"}, {"HTTPS_PROXY": "http://p:1"}, "http://q:1"),
        ({}, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example.test"}, None),
        ({}, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example.test"}, None),
        ({"no_proxy": "other.test"}, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "http://p:1"),
        ({}, {"HTTP_PROXY": "http://p:1"}, None),
    ],
)
def test_proxy(params: dict[str, str], env: dict[str, str], expected: str | None) -> None:
    connection = config.resolve({"host": "https://api.example.test:6443", "api_key": "x", **params}, env)
    assert connection.proxy == expected


def test_proxy_headers() -> None:
    params = {"host": "https://x", "api_key": "x", "proxy_headers": {"proxy_basic_auth": "a:b", "user_agent": "me"}}
    headers = config.resolve(params, {"K8S_AUTH_PROXY_HEADERS_BASIC_AUTH": "c:d"}).proxy_headers
    assert headers == {
        "proxy-authorization": "Basic " + _data("a:b"),
        "authorization": "Basic " + _data("c:d"),
        "user-agent": "me",
    }


@pytest.mark.parametrize(
    ("text", "value"), [("yes", True), ("True", True), ("1", True), ("no", False), ("OFF", False), ("0", False)]
)
def test_booleans_of_surveys(text: str, value: bool) -> None:
    assert config.resolve({"host": "https://x", "api_key": "x", "validate_certs": text}, {}).verify is value


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message", "remedy"),
    [
        ({"kubeconfig": "/no/such/file"}, "kubeconfig: there is no file /no/such/file", "K8S_AUTH_KUBECONFIG"),
        (
            {"host": "https://x", "api_key": "x", "validate_certs": "maybe"},
            "validate_certs is 'maybe'",
            "true or false",
        ),
        ({"host": "https://x", "api_key": "x", "ca_cert": "/no/ca"}, "ca_cert: /no/ca cannot be read", "ca_cert"),
        ({"host": "https://x", "client_cert": "/no/c"}, "client_cert: /no/c cannot be read", "K8S_AUTH_CERT_FILE"),
        (
            {"host": "https://x", "api_key": "x", "impersonate_groups": "a,b"},
            "impersonate_groups is set without",
            "of a user",
        ),
    ],
)
def test_options_that_cannot_be_used(params: dict[str, str], message: str, remedy: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        config.resolve(params, {})
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_contexts_that_are_not_there(folder: Path) -> None:
    file = kubeconfig(folder, {}, {})
    with pytest.raises(errors.ConfigurationError, match=r"no context 'nowhere'.*\n.*here, there"):
        config.resolve({"kubeconfig": str(file), "context": "nowhere"}, {})
    file.write_text(file.read_text().replace("current-context: here", "current-context: ''"))
    with pytest.raises(errors.ConfigurationError, match="selects no context"):
        config.resolve({"kubeconfig": str(file)}, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("name: u", "name: v"), "has no user 'u'"),
        (("name: c\n", "name: d\n"), "has no cluster 'c'"),
        (("clusters:", "clusters: ["), "cannot be read as YAML"),
        (("clusters:", "other:"), "names no cluster"),
    ],
)
def test_a_broken_kubeconfig(folder: Path, change: tuple[str, str], message: str) -> None:
    file = kubeconfig(folder, {}, {"token": "do-not-tell"})
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(errors.ConfigurationError, match=message) as caught:
        config.resolve({"kubeconfig": str(file)}, {})
    assert str(file) in str(caught.value)
    assert "do-not-tell" not in str(caught.value)


@pytest.mark.parametrize(
    "user",
    [
        {"client-certificate-data": "%%%"},
        {"client-certificate": "nowhere.crt"},
        {"tokenFile": "nowhere"},
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/no/such/program"}},
    ],
    ids=lambda user: next(iter(user)),
)
def test_credentials_that_cannot_be_read(folder: Path, user: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        config.resolve({"kubeconfig": str(kubeconfig(folder, {}, user))}, {}).authorization()
    assert caught.value.remedy


def test_authority_is_a_path_or_the_pem_text(folder: Path) -> None:
    connection = config.resolve({"host": "https://x", "api_key": "x", "ca_cert": PEM}, {})
    assert connection.ca == PEM.encode()


@pytest.mark.parametrize("place", [{"kubeconfig": "FILE"}, {"kubeconfig": "FILE", "context": "there"}])
def test_a_host_and_a_kubeconfig_of_two_clusters_are_refused(folder: Path, place: dict[str, str]) -> None:
    file = str(kubeconfig(folder, {}, {"token": "t"}))
    said = {"host": "https://own.test", "api_key": "hunter22"} | {
        name: file if value == "FILE" else value for name, value in place.items()
    }
    with pytest.raises(errors.ConfigurationError) as caught:
        config.refuse_two_places(said, {})
    assert "platform_host https://own.test and platform_kubeconfig" in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_a_host_and_a_kubeconfig_of_one_cluster_are_accepted(folder: Path) -> None:
    file = str(kubeconfig(folder, {}, {"token": "t"}))
    config.refuse_two_places({"host": "api.example.test:6443", "kubeconfig": file}, {})
