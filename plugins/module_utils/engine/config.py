"""Where the API server is and how to prove who we are: from options, environment, kubeconfig or the pod we run in.

Options and ``K8S_AUTH_*`` variables are those of kubernetes.core. Options are stronger than the environment; a run of a
playbook also refuses an environment that names another cluster (``refuse_contradiction``).
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import kubeconfig as kubeconfigs
from .connection import Connection, b64, basic, bearer, canonical, file_content
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
PROXY_HEADERS = ("proxy_basic_auth", "basic_auth", "user_agent")

# Which cluster, and the logins to it.
PLACE = ("kubeconfig", "context", "host")
_LOGIN = ("api_key", "username", "password", "client_cert", "client_key")
_NOWHERE = "nowhere"
_PEM = "-----BEGIN CERTIFICATE-----"

Options = dict[str, Any]


@dataclass(frozen=True)
class Words:
    """What is said of a connection: by the cluster's own options, and by the environment."""

    own: Options
    around: Options

    @staticmethod
    def of(params: Mapping[str, Any], env: Mapping[str, str]) -> Words:
        """``params``: the options of kubernetes.core. Raises ConfigurationError for a value of the wrong type."""
        own = {name: params.get(name) for name in ENVIRONMENT}
        around = {name: env.get(variable) for name, variable in ENVIRONMENT.items()}
        return Words(_typed(own), _typed(around))

    @property
    def name_a_place(self) -> bool:
        """Whether the cluster's own options say which it is."""
        return any(name in self.own for name in PLACE)


def resolve(params: Mapping[str, Any], env: Mapping[str, str] = os.environ) -> Connection:
    """The connection that ``params`` and ``env`` describe.

    Precedence: what ``params`` say; else, as in kubernetes.core, a host with credentials of the environment needs no
    kubeconfig; else the named kubeconfig or context; else the pod's service account; else KUBECONFIG or ~/.kube/config.
    Options given next to a kubeconfig override what it says.

    Raises ConfigurationError naming the option or file and the remedy.
    """
    words = Words.of(params, env)
    connection, options = _own(words, env) if words.name_a_place else _around(words, env)
    _override(connection, options)
    _choose_proxy(connection, options, env)
    _set_proxy_headers(connection, params, env)
    return connection


def place(params: Mapping[str, Any], env: Mapping[str, str] = os.environ) -> str:
    """The server that ``params`` and ``env`` lead to, in its canonical form. Runs no program and sends nothing.

    Raises ConfigurationError as ``resolve``.
    """
    words = Words.of(params, env)
    if words.name_a_place:
        return canonical(_server(_own_place(words), env))
    options = words.around | words.own
    if any(name in options for name in PLACE):
        return canonical(_server({name: options[name] for name in PLACE if name in options}, env))
    return canonical(_in_cluster(env).server if _in_pod(env) else kubeconfigs.server(None, None, env))


def _own(words: Words, env: Mapping[str, str]) -> tuple[Connection, Options]:
    """The connection that the cluster's own options name. The environment adds only what they leave open."""
    where = _own_place(words)
    options = words.around | words.own
    if any(name in words.own for name in _LOGIN):
        options = {name: value for name, value in options.items() if name not in _LOGIN or name in words.own}
    login = any(name in options for name in _LOGIN)
    if "kubeconfig" in where or "context" in where:
        connection = kubeconfigs.connection(where.get("kubeconfig"), where.get("context"), env)
        # A login and an authority of the environment are for those that a kubeconfig leaves out.
        brought = (*(_LOGIN if connection.proves_who else ()), *(("ca_cert",) if connection.ca else ()))
        options = {name: value for name, value in options.items() if name not in brought or name in words.own}
    elif login:
        connection = Connection(server="", source="host")
    elif "kubeconfig" in words.around or "context" in words.around:
        connection = kubeconfigs.connection(words.around.get("kubeconfig"), words.around.get("context"), env)
    else:
        raise ConfigurationError(
            f"platform_host (option host): no login to {canonical(where['host'])} is given.",
            "Set platform_api_key (option api_key) or K8S_AUTH_API_KEY, or use platform_kubeconfig.",
        )
    return connection, {name: value for name, value in options.items() if name not in PLACE} | where


def _around(words: Words, env: Mapping[str, str]) -> tuple[Connection, Options]:
    """The connection of the environment, as kubernetes.core reads it."""
    options = words.around | words.own
    if options.get("host") and (options.get("api_key") or options.get("client_cert") or options.get("username")):
        return Connection(server="", source="host"), options
    if options.get("kubeconfig") or options.get("context"):
        return kubeconfigs.connection(options.get("kubeconfig"), options.get("context"), env), options
    return (_in_cluster(env) if _in_pod(env) else kubeconfigs.connection(None, None, env)), options


# --- which cluster ----------------------------------------------------------------------------------------------------


def _own_place(words: Words) -> Options:
    """The cluster's own words. A context alone is one of the kubeconfig that the environment names."""
    where = {name: words.own[name] for name in PLACE if name in words.own}
    if "context" in where and "kubeconfig" not in where and "kubeconfig" in words.around:
        where["kubeconfig"] = words.around["kubeconfig"]
    return where


def _server(where: Options, env: Mapping[str, str]) -> str:
    if "host" in where:
        return str(where["host"])
    return kubeconfigs.server(where.get("kubeconfig"), where.get("context"), env)


def refuse_contradiction(params: Mapping[str, Any], env: Mapping[str, str] = os.environ) -> None:
    """Raises ConfigurationError naming both where options and environment name clusters that are not the same one.

    KUBECONFIG is no such word: every client falls back to it, so it says nothing of this cluster.
    """
    words = Words.of(params, env)
    own = _own_place(words)
    around = {name: words.around[name] for name in PLACE if name in words.around}
    if not words.name_a_place or all(own.get(name) == value for name, value in around.items()):
        return
    # The environment's words are completed by the cluster's own: K8S_AUTH_CONTEXT is one of its kubeconfig.
    completed = {name: own[name] for name in ("kubeconfig", "context") if name in own} | around
    ours, theirs = _lead(own, env), _lead(completed, env)
    if ours == theirs and not ours.startswith(_NOWHERE):
        return
    unset = " and ".join(ENVIRONMENT[name] for name in around)
    correct = " and ".join(f"platform_{name}" for name in PLACE if name in words.own)
    correct += " (CLUSTER_NAME of make chooses it)" if env.get("CLUSTER_NAME") else ""
    raise ConfigurationError(
        f"{_said(words.own, 'platform_')} {_leads(ours)}, but {_said(around)} of the environment {_leads(theirs)}. "
        "Nothing was sent to either.",
        f"Unset {unset}, or correct {correct}.",
    )


def refuse_two_places(said: Mapping[str, Any], env: Mapping[str, str] = os.environ) -> None:
    """Raises ConfigurationError if the inventory's host and its kubeconfig or context name two clusters."""
    words = Words.of(said, env)
    where = _own_place(words)
    by_kubeconfig = {name: value for name, value in where.items() if name != "host"}
    if "host" not in where or not by_kubeconfig:
        return
    ours, theirs = canonical(where["host"]), _lead(by_kubeconfig, env)
    if ours != theirs:
        kubeconfig = {name: value for name, value in words.own.items() if name != "host"}
        raise ConfigurationError(
            f"platform_host {ours} and {_said(kubeconfig, 'platform_')}, which {_leads(theirs)}, are both set. "
            "Nothing was sent to either.",
            "Remove one of them from this host and its groups.",
        )


def _lead(where: Options, env: Mapping[str, str]) -> str:
    try:
        return canonical(_server(where, env))
    except ConfigurationError as error:
        return f"{_NOWHERE} ({error.message.rstrip('.')})"


def _leads(lead: str) -> str:
    return f"leads {'' if lead.startswith(_NOWHERE) else 'to '}{lead}"


def _said(said: Options, prefix: str = "") -> str:
    """``platform_context eu``, for each word; without a prefix the environment's. Never a kubeconfig's content."""
    parts = []
    for name in PLACE:
        if name in said:
            value = said[name]
            shown = kubeconfigs.shown(value) if name == "kubeconfig" else canonical(value) if name == "host" else value
            parts.append(f"{prefix + name if prefix else ENVIRONMENT[name]} {shown}")
    return " with ".join(parts)


# --- options ----------------------------------------------------------------------------------------------------------


def _typed(given: Mapping[str, Any]) -> Options:
    options = {name: value for name, value in given.items() if value not in (None, "", {}, [])}
    if "validate_certs" in options:
        options["validate_certs"] = _boolean("validate_certs", options["validate_certs"])
    groups = options.get("impersonate_groups")
    if isinstance(groups, str):
        options["impersonate_groups"] = [g.strip() for g in groups.split(",") if g.strip()]
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
    return file_content(option, path, ENVIRONMENT[option])


def _authority(given: str) -> bytes:
    """A certificate authority, given as a path or as the PEM text itself."""
    return given.encode() if given.lstrip().startswith(_PEM) else _file("ca_cert", given)


def _override(connection: Connection, options: Mapping[str, Any]) -> None:
    if options.get("host"):
        connection.server = str(options["host"])
    if "://" not in connection.server:
        connection.server = f"https://{connection.server}"
    if "validate_certs" in options:
        connection.verify = options["validate_certs"]
    if options.get("ca_cert"):
        connection.ca = _authority(str(options["ca_cert"]))
    if options.get("client_cert"):
        connection.client_cert = _file("client_cert", options["client_cert"])
        key = "client_key" if options.get("client_key") else "client_cert"
        connection.client_key = _file(key, options[key])
    if options.get("api_key"):
        token = bearer(str(options["api_key"]))
        connection.authorization = lambda: token
    elif options.get("username"):
        login = basic(str(options["username"]), str(options.get("password", "")))
        connection.authorization = lambda: login
    _impersonate(connection, options)


def _impersonate(connection: Connection, options: Mapping[str, Any]) -> None:
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


def _set_proxy_headers(connection: Connection, params: Mapping[str, Any], env: Mapping[str, str]) -> None:
    given = params.get("proxy_headers") or {}
    headers = {name: given.get(name) or env.get(f"K8S_AUTH_PROXY_HEADERS_{name.upper()}") for name in PROXY_HEADERS}
    if headers["proxy_basic_auth"]:
        connection.proxy_headers["proxy-authorization"] = "Basic " + b64(headers["proxy_basic_auth"])
    if headers["basic_auth"]:
        connection.proxy_headers["authorization"] = "Basic " + b64(headers["basic_auth"])
    if headers["user_agent"]:
        connection.proxy_headers["user-agent"] = headers["user_agent"]


# --- the pod we run in ------------------------------------------------------------------------------------------------


def _in_pod(env: Mapping[str, str]) -> bool:
    return "KUBERNETES_SERVICE_HOST" in env and (SERVICE_ACCOUNT / "token").is_file()


def _in_cluster(env: Mapping[str, str]) -> Connection:
    host, port = env["KUBERNETES_SERVICE_HOST"], env.get("KUBERNETES_SERVICE_PORT", "443")
    token = SERVICE_ACCOUNT / "token"
    return Connection(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca=_file("ca_cert", SERVICE_ACCOUNT / "ca.crt"),
        # Projected tokens are replaced before they expire: read at each use.
        authorization=lambda: bearer(token.read_text().strip()),
        source="service account",
    )
