"""Options that say which cluster, as kubernetes.core names and types them. No defaults: ``K8S_AUTH_*`` fills them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine.config import refuse_contradiction, refuse_two_places

# Where a task leaves an option out, the shared role's variable says it.
VARIABLES = {
    "kubeconfig": "platform_kubeconfig",
    "context": "platform_context",
    "host": "platform_host",
    "api_key": "platform_api_key",
    "ca_cert": "platform_ca_cert",
}
_KUBECONFIG = {"kubeconfig", "context"}

CONNECTION_SPEC: dict[str, Any] = {
    "kubeconfig": {"type": "raw", "no_log": True},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
    "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"]},
    "client_cert": {"type": "path", "aliases": ["cert_file"]},
    "client_key": {"type": "path", "aliases": ["key_file"]},
    "proxy": {"type": "str"},
    "no_proxy": {"type": "str"},
    "proxy_headers": {
        "type": "dict",
        "options": {
            "proxy_basic_auth": {"type": "str", "no_log": True},
            "basic_auth": {"type": "str", "no_log": True},
            "user_agent": {"type": "str"},
        },
    },
    "impersonate_user": {"type": "str"},
    "impersonate_groups": {"type": "list", "elements": "str"},
}


def say_where(arguments: dict[str, Any], variable: Callable[[str], Any]) -> None:
    """Complete the validated options of a task by what the inventory says of the cluster; ``variable`` gives it.

    They do not become arguments of the task itself, which callbacks may show. The inventory's kubeconfig is not mixed
    with a host that the task names, nor the other way round. Raises EngineError: a variable that cannot be read, or an
    environment that names another cluster.
    """
    by_kubeconfig = any(arguments.get(option) for option in _KUBECONFIG)
    inherited: dict[str, Any] = {}
    foreign = _KUBECONFIG if arguments.get("host") else VARIABLES.keys() - _KUBECONFIG if by_kubeconfig else set()
    for option, name in VARIABLES.items():
        if option not in foreign and arguments.get(option) is None:
            value = variable(name)
            if value not in (None, "", {}):
                inherited[option] = value
    refuse_two_places(inherited)
    arguments.update(inherited)
    refuse_contradiction(arguments)
