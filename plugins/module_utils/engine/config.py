"""Where the API server is and how to prove who we are: from options, environment, kubeconfig or the pod we run in.

Options and ``K8S_AUTH_*`` variables are those of kubernetes.core. A kubeconfig with fixed credentials (certificate,
token, password) is read here; one that runs a program or an auth provider goes through the official client's
configuration code, whose import alone costs more than a whole run without changes.
"""

from __future__ import annotations

import base64
import json
import os
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from .errors import ConfigurationError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

# Option -> its environment variable, as kubernetes.core documents them.
ENVIRONMENT = {
    "kubeconfig": "K8S_AUTH_KUBECONFIG",
    "context": "K8S_AUTH_CONTEXT",
    "host": "K8S_AUTH_HOST",
    "api_key": "K8S_AUTH_API_KEY",
    "username": "K8S_AUTH_USERNAME",
    "password": "K8S_AUTH_PASSWORD",
    "validate_certs": "K8S_AUTH_VERIFY_SSL",
    "ca_cert": "K8S_AUTH_SSL_CA_CERT",
    "client_cert": "K8S_AUTH_CERT_FILE",
    "client_key": "K8S_AUTH_KEY_FILE",
    "proxy": "K8S_AUTH_PROXY",
    "no_proxy": "K8S_AUTH_NO_PROXY",
    "impersonate_user": "K8S_AUTH_IMPERSONATE_USER",
    "impersonate_groups": "K8S_AUTH_IMPERSONATE_GROUPS",
}
_CHECK_WITH_KUBECTL = "Check that `kubectl get ns` works with the same kubeconfig and context."
PROXY_HEADERS = ("proxy_basic_auth", "basic_auth", "user_agent")


@dataclass
class Connection:
    """Everything a transport needs. Certificates are bytes (PEM), so that none has to be written to a file."""

    server: str
    ca: bytes | None = None
    client_cert: bytes | None = None
    client_key: bytes | None = None
    verify: bool = True
    tls_server_name: str | None = None
    proxy: str | None = None
    proxy_headers: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    # Called for the Authorization header where it changes with time (exec plugins, rotated token files).
    authorization: Callable[[], str | None] = lambda: None
    source: str = ""


def resolve(params: Mapping[str, Any], env: Mapping[str, str] = os.environ) -> Connection:
    """The connection that ``params`` and ``env`` describe.

    Precedence as in kubernetes.core: a host with credentials of its own needs no kubeconfig; else the named
    kubeconfig or context; else the pod's service account; else KUBECONFIG or ~/.kube/config. Options given beside a
    kubeconfig override what it says.

    Raises ConfigurationError naming the option or file and the remedy.
    """
    options = _options(params, env)
    own_credentials = options.get("api_key") or options.get("client_cert") or options.get("username")
    if options.get("host") and own_credentials:
        connection = Connection(server="", source="host")
    elif options.get("kubeconfig") or options.get("context"):
        connection = _from_kubeconfig(options.get("kubeconfig"), options.get("context"), env)
    elif "KUBERNETES_SERVICE_HOST" in env and (SERVICE_ACCOUNT / "token").is_file():
        connection = _in_cluster(env)
    else:
        connection = _from_kubeconfig(None, None, env)
    _override(connection, options)
    _choose_proxy(connection, options, env)
    return connection


def _options(params: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, variable in ENVIRONMENT.items():
        value = params.get(name)
        if value is None:
            value = env.get(variable)
        if value not in (None, ""):
            options[name] = value
    if "validate_certs" in options:
        options["validate_certs"] = _boolean("validate_certs", options["validate_certs"])
    groups = options.get("impersonate_groups")
    if isinstance(groups, str):
        options["impersonate_groups"] = [g.strip() for g in groups.split(",") if g.strip()]
    headers = params.get("proxy_headers") or {}
    options["proxy_headers"] = {
        name: value
        for name in PROXY_HEADERS
        if (value := headers.get(name) or env.get(f"K8S_AUTH_PROXY_HEADERS_{name.upper()}"))
    }
    return options


def _boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"true", "yes", "on", "1", "t", "y"}:
        return True
    if text in {"false", "no", "off", "0", "f", "n"}:
        return False
    raise ConfigurationError(f"{name} is {value!r}, which is neither true nor false.", f"Set {name} to true or false.")


def _file(option: str, path: Any) -> bytes:
    try:
        return Path(str(path)).expanduser().read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{option}: {path} cannot be read: {error.strerror or error}.",
            f"Point {option} (or {ENVIRONMENT.get(option, 'the kubeconfig')}) at a readable PEM file.",
        ) from error


def _override(connection: Connection, options: Mapping[str, Any]) -> None:
    if options.get("host"):
        connection.server = str(options["host"])
    if "://" not in connection.server:
        connection.server = f"https://{connection.server}"
    if "validate_certs" in options:
        connection.verify = options["validate_certs"]
    if options.get("ca_cert"):
        connection.ca = _file("ca_cert", options["ca_cert"])
    if options.get("client_cert"):
        connection.client_cert = _file("client_cert", options["client_cert"])
        connection.client_key = _file("client_key", options.get("client_key") or options["client_cert"])
    if options.get("api_key"):
        bearer = _bearer(str(options["api_key"]))
        connection.authorization = lambda: bearer
    elif options.get("username"):
        basic = _basic(str(options["username"]), str(options.get("password", "")))
        connection.authorization = lambda: basic
    if options.get("impersonate_user"):
        connection.headers["Impersonate-User"] = str(options["impersonate_user"])
    if options.get("impersonate_groups"):
        if not options.get("impersonate_user"):
            raise ConfigurationError(
                "impersonate_groups is set without impersonate_user.", "Kubernetes impersonates groups of a user only."
            )
        # One header per group; urllib3 sends a list item each (see transport).
        connection.headers["Impersonate-Group"] = "\n".join(options["impersonate_groups"])


def _choose_proxy(connection: Connection, options: Mapping[str, Any], env: Mapping[str, str]) -> None:
    target = urlsplit(connection.server)
    no_proxy = options.get("no_proxy") or env.get("NO_PROXY") or env.get("no_proxy") or ""
    scheme = target.scheme.upper()
    from_environment = env.get(f"{scheme}_PROXY") or env.get(f"{scheme.lower()}_proxy")
    proxy = options.get("proxy") or connection.proxy or from_environment
    bypass = urllib.request.proxy_bypass_environment(target.hostname or "", {"no": no_proxy})  # type: ignore[attr-defined]
    connection.proxy = None if bypass else proxy
    headers = options["proxy_headers"]
    if headers.get("proxy_basic_auth"):
        connection.proxy_headers["proxy-authorization"] = "Basic " + _b64(headers["proxy_basic_auth"])
    if headers.get("basic_auth"):
        connection.proxy_headers["authorization"] = "Basic " + _b64(headers["basic_auth"])
    if headers.get("user_agent"):
        connection.proxy_headers["user-agent"] = headers["user_agent"]


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _bearer(token: str) -> str:
    return token if token.lower().startswith("bearer ") else f"Bearer {token}"


def _basic(user: str, password: str) -> str:
    return "Basic " + _b64(f"{user}:{password}")


def _in_cluster(env: Mapping[str, str]) -> Connection:
    host, port = env["KUBERNETES_SERVICE_HOST"], env.get("KUBERNETES_SERVICE_PORT", "443")
    token = SERVICE_ACCOUNT / "token"
    return Connection(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca=_file("ca_cert", SERVICE_ACCOUNT / "ca.crt"),
        # Projected tokens are replaced before they expire: read at each use.
        authorization=lambda: _bearer(token.read_text().strip()),
        source="service account",
    )


# --- kubeconfig -------------------------------------------------------------------------------------------------------


def _from_kubeconfig(kubeconfig: Any, context: str | None, env: Mapping[str, str]) -> Connection:
    base = Path.cwd()
    if isinstance(kubeconfig, Mapping):
        source, config = "kubeconfig (given as a dict)", dict(kubeconfig)
    else:
        paths = str(kubeconfig or env.get("KUBECONFIG") or "~/.kube/config").split(os.pathsep)
        existing = [path for path in (Path(p).expanduser() for p in paths if p) if path.is_file()]
        if not existing:
            raise ConfigurationError(
                f"kubeconfig: there is no file {os.pathsep.join(paths)}.",
                "Set K8S_AUTH_KUBECONFIG (or kubeconfig) to an existing file, or K8S_AUTH_HOST with K8S_AUTH_API_KEY; "
                "`make cluster` makes a local cluster.",
            )
        if len(existing) > 1:
            return _official(os.pathsep.join(map(str, existing)), context, "several kubeconfig files")
        base, source, config = existing[0].parent, str(existing[0]), _load(existing[0])
    chosen = context or config.get("current-context")
    names = [str(entry.get("name")) for entry in config.get("contexts") or []]
    if not chosen or chosen not in names:
        raise ConfigurationError(
            f"context: {source} has no context {chosen!r}." if chosen else f"context: {source} selects no context.",
            f"Contexts there: {', '.join(sorted(names)) or 'none'}. Set K8S_AUTH_CONTEXT (or context) to one of them.",
        )
    ctx = _named(config, "contexts", "context", chosen, source)
    cluster = _named(config, "clusters", "cluster", str(ctx.get("cluster")), source)
    user = _named(config, "users", "user", str(ctx["user"]), source) if ctx.get("user") else {}
    whole_source = f"{source}, context {chosen}"
    if "exec" in user or "auth-provider" in user:
        connection = _official(config if isinstance(kubeconfig, Mapping) else source, chosen, whole_source)
        if not (connection.client_cert or connection.authorization()):
            # The client only logs why its program failed.
            raise ConfigurationError(f"{whole_source}: its login program gives no credential.", _CHECK_WITH_KUBECTL)
    else:
        connection = _fixed(cluster, user, base, whole_source)
    if user.get("as"):
        connection.headers["Impersonate-User"] = str(user["as"])
    if user.get("as-groups"):
        connection.headers["Impersonate-Group"] = "\n".join(user["as-groups"])
    return connection


def _fixed(cluster: Mapping[str, Any], user: Mapping[str, Any], base: Path, source: str) -> Connection:
    """From a cluster and a user whose credentials stand in the kubeconfig or in files."""
    connection = Connection(
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
        bearer = _bearer(str(user["token"]))
        connection.authorization = lambda: bearer
    elif user.get("tokenFile"):
        token_file = base / str(user["tokenFile"])
        connection.authorization = lambda: _bearer(_file("tokenFile", token_file).decode().strip())
    elif user.get("username"):
        basic = _basic(str(user["username"]), str(user.get("password", "")))
        connection.authorization = lambda: basic
    return connection


def _load(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        config = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, Loader=loader)  # noqa: S506
    except (OSError, ValueError, yaml.YAMLError) as error:
        # The parser's own text may quote the file, and with it a key: say only where.
        where = getattr(getattr(error, "problem_mark", None), "line", None)
        at = f" (line {where + 1})" if where is not None else ""
        raise ConfigurationError(
            f"kubeconfig: {path} cannot be read as YAML{at}.", "Check the file with `kubectl config view`."
        ) from None
    if not isinstance(config, dict) or not config.get("clusters"):
        raise ConfigurationError(f"kubeconfig: {path} names no cluster.", "Check the file with `kubectl config view`.")
    return config


def _named(config: Mapping[str, Any], section: str, key: str, name: str, source: str) -> dict[str, Any]:
    for entry in config.get(section) or []:
        if entry.get("name") == name:
            return entry.get(key) or {}
    raise ConfigurationError(
        f"kubeconfig: {source} has no {key} {name!r}.", "Check the file with `kubectl config view`."
    )


def _material(entry: Mapping[str, Any], name: str, base: Path) -> bytes | None:
    if entry.get(f"{name}-data"):
        try:
            return base64.b64decode("".join(str(entry[f"{name}-data"]).split()), validate=True)
        except ValueError:
            raise ConfigurationError(
                f"kubeconfig: {name}-data is not base64.", "Check the file with `kubectl config view --raw`."
            ) from None
    if entry.get(name):
        return _file(name, base / str(entry[name]))
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
        raise ConfigurationError(f"{source}: {error}", _CHECK_WITH_KUBECTL) from error
    cert = configuration.cert_file and _file("client_cert", configuration.cert_file)
    return Connection(
        server=configuration.host,
        ca=_file("ca_cert", configuration.ssl_ca_cert) if configuration.ssl_ca_cert else None,
        client_cert=cert or None,
        client_key=_file("client_key", configuration.key_file) if configuration.key_file else None,
        verify=configuration.verify_ssl,
        tls_server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
        # Its name until release 36 is the second.
        authorization=lambda: configuration.get_api_key_with_prefix("BearerToken", "authorization"),
        source=source,
    )
