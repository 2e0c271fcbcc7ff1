"""Names: what Kubernetes accepts (RFC 1035/1123 labels) and what this platform keeps for itself."""

from __future__ import annotations

import re
from typing import Any

from .problems import Problems

LABEL = r"[a-z]([-a-z0-9]*[a-z0-9])?"  # RFC 1035, what a Service name must be
DOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"  # RFC 1123 subdomain
LABEL_KEY = (
    r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
LABEL_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
LABEL_LENGTH = 63
DOMAIN_LENGTH = 253

# Names of a part that would meet an object, a database role or a credential that is there already.
RESERVED = {
    "postgres": "is the database's name and its superuser's",
    "qdrant": "is the vector store's name",
    "nats": "is the message broker's name",
    "platform": "is the name of the shared configuration and of the message stream",
    "system": "is the message broker's system account",
    "public": "is a reserved role and schema name in Postgres",
    "none": "is a reserved role name in Postgres",
    "ingress": "is the name of the edge in network policies",
    "default": "is the namespace's own service account",
}
SYSTEM_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})


def object_name(part: str, tier: str) -> str:
    """What the Deployment, Service and so on of a part are called."""
    return part if tier == "frontend" else f"{part}-service"


def check_part(name: Any, tier: str, path: str, problems: Problems) -> None:
    """Note why a part cannot have this name."""
    if not isinstance(name, str) or not re.fullmatch(LABEL, name):
        problems.add(
            path,
            None,
            "is no valid name",
            "Use lower-case letters, digits and -, starting with a letter and not ending in -",
        )
        return
    if name in RESERVED:
        problems.add(path, None, f"is a reserved name: it {RESERVED[name]}", "Choose another name")
    longest = object_name(name, tier)
    if len(longest) > LABEL_LENGTH:
        room = LABEL_LENGTH - len(longest) + len(name)
        problems.add(
            path,
            None,
            f'makes "{longest}", {len(longest)} characters of at most {LABEL_LENGTH}',
            f"Use at most {room} characters",
        )


def check_namespace(value: Any, path: str, problems: Problems) -> None:
    """Note why the platform cannot live in this namespace."""
    text = str(value)
    if len(text) > LABEL_LENGTH or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", text):
        problems.add(path, value, "is no namespace name", "Use at most 63 lower-case letters, digits and -")
    elif text in SYSTEM_NAMESPACES or text.startswith("kube-"):
        problems.add(
            path, value, "is a namespace of the cluster itself", "Choose one of the platform's own, such as multi-agent"
        )


def check_domain(value: Any, path: str, problems: Problems) -> None:
    """Note why this is no host or domain name."""
    text = str(value)
    if (
        len(text) > DOMAIN_LENGTH
        or not re.fullmatch(DOMAIN, text)
        or any(len(part) > LABEL_LENGTH for part in text.split("."))
    ):
        problems.add(
            path, value, "is no DNS name", "Write lower-case labels with dots between, without scheme, port or path"
        )


def check_labels(value: Any, path: str, problems: Problems) -> None:
    """Note labels that the API server would refuse, and those that the platform sets itself."""
    if not isinstance(value, dict):
        return
    for key, content in value.items():
        at = f"{path}.{key}"
        if not re.fullmatch(LABEL_KEY, str(key)):
            problems.add(
                at, content, "is no label key", "Write [prefix/]name with at most 63 letters, digits, -, _ and ."
            )
        elif key == "app" or str(key).startswith(
            ("app.kubernetes.io/", "applyset.kubernetes.io/", "multi-agent.platform/")
        ):
            problems.add(
                at,
                content,
                "is a label that the platform sets itself",
                "Use a prefix of your own, such as example.org/team",
            )
        elif isinstance(content, dict | list) or not re.fullmatch(LABEL_VALUE, str(content)):
            problems.add(at, content, "is no label value", "Use at most 63 letters, digits, -, _ and .")


def check_object(value: Any, path: str, problems: Problems) -> None:
    """Note why this cannot be the name of an object such as a Secret (RFC 1123 subdomain)."""
    text = str(value)
    if len(text) > DOMAIN_LENGTH or not re.fullmatch(DOMAIN, text):
        problems.add(path, value, "is no name of an object", "Use lower-case letters, digits, - and .")
