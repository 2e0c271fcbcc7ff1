"""What a kubeconfig says: the server of a context, and how to prove who we are there.

One with fixed credentials (certificate, token, password) is read here; one that runs a program or an auth provider goes
through the official client's configuration code, whose import alone costs more than a whole run without changes.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from .connection import Connection, basic, bearer, file_content
from .errors import ConfigurationError

# A longer text is not shown as a path: it is rather an encoded kubeconfig.
_LONGEST_PATH = 512
CHECK_WITH_KUBECTL = "Check that `kubectl get ns` works with the same kubeconfig and context."
_CHECK = "Check the file with `kubectl config view`."
_DATA = "the kubeconfig given as data"


def is_data(kubeconfig: Any) -> bool:
    """Whether a kubeconfig is given as its content (a dict, or YAML or JSON text) and not as a path."""
    return isinstance(kubeconfig, Mapping) or (
        isinstance(kubeconfig, str) and ("\n" in kubeconfig.strip() or kubeconfig.lstrip().startswith("{"))
    )


def shown(kubeconfig: Any) -> str:
    """How a kubeconfig reads in a message: its path, never its content."""
    return "(given as data)" if is_data(kubeconfig) or len(str(kubeconfig)) > _LONGEST_PATH else str(kubeconfig)


def server(kubeconfig: Any, context: str | None, env: Mapping[str, str]) -> str:
    """The server that a context leads to. Reads no credential and runs no program. Raises ConfigurationError."""
    documents = [_load_data(kubeconfig)] if is_data(kubeconfig) else [_load(path) for path in _files(kubeconfig, env)]
    source = _DATA if is_data(kubeconfig) else os.pathsep.join(map(str, _files(kubeconfig, env)))
    merged = _merge(documents)
    _, ctx = _chosen(merged, context, source)
    return str(_named(merged, "clusters", "cluster", str(ctx.get("cluster")), source).get("server") or "")


def connection(kubeconfig: Any, context: str | None, env: Mapping[str, str]) -> Connection:
    """The connection of a context: of ``kubeconfig`` (path or data), else KUBECONFIG, else ~/.kube/config.

    Raises ConfigurationError.
    """
    if is_data(kubeconfig):
        return _of_document(_load_data(kubeconfig), context, Path.cwd(), _DATA, as_data=True)
    existing = _files(kubeconfig, env)
    if len(existing) > 1:
        found = _official(os.pathsep.join(map(str, existing)), context, "several kubeconfig files")
        found.context = context or str(_merge(map(_load, existing)).get("current-context") or "")
        return found
    return _of_document(_load(existing[0]), context, existing[0].parent, str(existing[0]))


def _files(kubeconfig: Any, env: Mapping[str, str]) -> list[Path]:
    paths = str(kubeconfig or env.get("KUBECONFIG") or "~/.kube/config").split(os.pathsep)
    if any(len(path) > _LONGEST_PATH for path in paths):
        raise ConfigurationError(
            "kubeconfig: the text given is neither a path nor YAML.",
            "Give a path, or the content as YAML text or a dictionary; decode it first if it is encoded.",
        )
    existing = [path for path in (Path(p).expanduser() for p in paths if p) if path.is_file()]
    if not existing:
        raise ConfigurationError(
            f"kubeconfig: there is no file {os.pathsep.join(paths)}.",
            "Set K8S_AUTH_KUBECONFIG (or kubeconfig) to an existing file, or K8S_AUTH_HOST with K8S_AUTH_API_KEY; "
            "`make cluster` makes a local cluster.",
        )
    return existing


def _merge(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Several kubeconfigs as kubectl merges them: what the first of them says counts."""
    merged: dict[str, Any] = {"contexts": [], "clusters": []}
    for document in documents:
        merged["current-context"] = merged.get("current-context") or document.get("current-context")
        for section in ("contexts", "clusters"):
            merged[section] += document.get(section) or []
    return merged


def _chosen(config: Mapping[str, Any], context: str | None, source: str) -> tuple[str, dict[str, Any]]:
    """Name and content of the context that is asked for, else of the current one."""
    chosen = context or config.get("current-context")
    names = [str(entry.get("name")) for entry in config.get("contexts") or []]
    if not chosen or chosen not in names:
        raise ConfigurationError(
            f"context: {source} has no context {chosen!r}." if chosen else f"context: {source} selects no context.",
            f"Contexts there: {', '.join(sorted(names)) or 'none'}. Set K8S_AUTH_CONTEXT (or context) to one of them.",
        )
    return str(chosen), _named(config, "contexts", "context", str(chosen), source)


def _of_document(
    config: Mapping[str, Any], context: str | None, base: Path, source: str, *, as_data: bool = False
) -> Connection:
    chosen, ctx = _chosen(config, context, source)
    cluster = _named(config, "clusters", "cluster", str(ctx.get("cluster")), source)
    user = _named(config, "users", "user", str(ctx["user"]), source) if ctx.get("user") else {}
    whole_source = f"{source}, context {chosen}"
    if "exec" in user or "auth-provider" in user:
        found = _official(_without_keys(config) if as_data else source, chosen, whole_source)
        found.client_cert = found.client_cert or _material(user, "client-certificate", base)
        found.client_key = found.client_key or _material(user, "client-key", base)
        if not found.proves_who:
            # The client only logs why its program failed.
            raise ConfigurationError(f"{whole_source}: its login program gives no credential.", CHECK_WITH_KUBECTL)
    else:
        found = _fixed(cluster, user, base, whole_source)
    found.context = chosen
    if user.get("as"):
        found.headers["Impersonate-User"] = str(user["as"])
    if user.get("as-groups"):
        found.headers["Impersonate-Group"] = "\n".join(user["as-groups"])
    return found


def _without_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` without client certificates: the official client would write their keys to files in clear."""
    users = [
        {**entry, "user": {k: v for k, v in (entry.get("user") or {}).items() if not k.startswith("client-")}}
        for entry in config.get("users") or []
    ]
    return {**config, "users": users}


def _fixed(cluster: Mapping[str, Any], user: Mapping[str, Any], base: Path, source: str) -> Connection:
    """From a cluster and a user whose credentials stand in the kubeconfig or in files."""
    found = Connection(
        server=str(cluster.get("server") or ""),
        ca=_material(cluster, "certificate-authority", base),
        client_cert=_material(user, "client-certificate", base),
        client_key=_material(user, "client-key", base),
        verify=not cluster.get("insecure-skip-tls-verify", False),
        tls_server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
        source=source,
    )
    if user.get("token"):
        token = bearer(str(user["token"]))
        found.authorization = lambda: token
    elif user.get("tokenFile"):
        token_file = base / str(user["tokenFile"])
        found.authorization = lambda: bearer(file_content("tokenFile", token_file).decode().strip())
    elif user.get("username"):
        login = basic(str(user["username"]), str(user.get("password", "")))
        found.authorization = lambda: login
    return found


def _load(path: Path) -> dict[str, Any]:
    try:
        return _parsed(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"kubeconfig: {path} cannot be read as YAML.", _CHECK) from None


def _load_data(data: Any) -> dict[str, Any]:
    return _checked(dict(data), _DATA) if isinstance(data, Mapping) else _parsed(str(data), _DATA)


def _parsed(text: str, source: str) -> dict[str, Any]:
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        config = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, Loader=loader)  # noqa: S506
    except (ValueError, yaml.YAMLError) as error:
        # The parser's own text may quote the file, and with it a key: say only where.
        where = getattr(getattr(error, "problem_mark", None), "line", None)
        at = f" (line {where + 1})" if where is not None else ""
        raise ConfigurationError(f"kubeconfig: {source} cannot be read as YAML{at}.", _CHECK) from None
    return _checked(config, source)


def _checked(config: Any, source: str) -> dict[str, Any]:
    if not isinstance(config, dict) or not config.get("clusters"):
        raise ConfigurationError(f"kubeconfig: {source} names no cluster.", _CHECK)
    return config


def _named(config: Mapping[str, Any], section: str, key: str, name: str, source: str) -> dict[str, Any]:
    for entry in config.get(section) or []:
        if entry.get("name") == name:
            return entry.get(key) or {}
    raise ConfigurationError(f"kubeconfig: {source} has no {key} {name!r}.", _CHECK)


def _material(entry: Mapping[str, Any], name: str, base: Path) -> bytes | None:
    if entry.get(f"{name}-data"):
        try:
            return base64.b64decode("".join(str(entry[f"{name}-data"]).split()), validate=True)
        except ValueError:
            raise ConfigurationError(
                f"kubeconfig: {name}-data is not base64.", "Check the file with `kubectl config view --raw`."
            ) from None
    if entry.get(name):
        return file_content(name, base / str(entry[name]))
    return None


def _official(config: Any, context: str | None, source: str) -> Connection:
    """The official client's configuration code: runs exec plugins and auth providers, merges files, renews tokens."""
    try:
        from kubernetes import client as k8s  # noqa: PLC0415
        from kubernetes import config as loader  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            f"{source} needs the Python package kubernetes, which the interpreter that runs Ansible does not have.",
            "Install it there: pip install kubernetes",
        ) from None
    configuration = k8s.Configuration()
    try:
        if isinstance(config, Mapping):
            loader.load_kube_config_from_dict(config, context=context, client_configuration=configuration)
        else:
            loader.load_kube_config(config, context=context, client_configuration=configuration)
    except Exception as error:
        raise ConfigurationError(f"{source}: {error}", CHECK_WITH_KUBECTL) from error
    cert = configuration.cert_file and file_content("client_cert", configuration.cert_file)
    return Connection(
        server=configuration.host,
        ca=file_content("ca_cert", configuration.ssl_ca_cert) if configuration.ssl_ca_cert else None,
        client_cert=cert or None,
        client_key=file_content("client_key", configuration.key_file) if configuration.key_file else None,
        verify=configuration.verify_ssl,
        tls_server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
        # Its name until release 36 is the second.
        authorization=lambda: configuration.get_api_key_with_prefix("BearerToken", "authorization"),
        source=source,
    )
