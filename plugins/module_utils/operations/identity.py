"""Whether a run is about to write to the cluster that it means.

Three things are known of a cluster: its UID (of its namespace kube-system, which lives as long as the cluster), whose
platform is in a namespace (the last release says), and where the other hosts of the play lead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ..engine.errors import ApiError, EngineError
from . import releases
from .origin import Origin

SYSTEM = "kube-system"
# Of the records of releases nothing but their annotations is needed.
_METADATA = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}
_NOT_HERE = "Nothing was written."


class Cluster(Protocol):
    """What is asked of the engine's cluster here."""

    def send(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Send a request; status and body of the answer."""


class ForeignPlatform(EngineError):
    """The platform there is another inventory's, or was copied from another cluster: it has to be taken over."""


@dataclass(frozen=True)
class Seat:
    """Where a host of the play leads. ``uid``: the cluster's; empty if it is not known."""

    host: str
    server: str
    namespace: str
    uid: str = ""


def uid(cluster: Cluster) -> str:
    """The cluster's UID: one request. Empty if this user may not read it, or the server has no kube-system."""
    try:
        body = cluster.send("GET", f"/api/v1/namespaces/{SYSTEM}")[1]
    except ApiError as error:
        if error.status in {403, 404}:
            return ""
        raise
    return str((body.get("metadata") or {}).get("uid") or "")


def recorded(cluster: Cluster, namespace: str) -> Origin:
    """Whose platform is in a namespace, by its newest release that says so. Raises EngineError."""
    query = {"labelSelector": releases.LABEL}
    try:
        body = cluster.send("GET", f"/api/v1/namespaces/{namespace}/configmaps", query, headers=_METADATA)[1]
    except ApiError as error:
        if error.status in {403, 404}:
            return Origin()
        raise
    newest: dict[int, Origin] = {}
    for item in body.get("items") or []:
        found = Origin.of(item["metadata"])
        number = str((item["metadata"].get("labels") or {}).get(releases.LABEL, ""))
        if found != Origin() and number.isdecimal():
            newest[int(number)] = found
    return newest[max(newest)] if newest else Origin()


# --- refusals ---------------------------------------------------------------------------------------------------------


def refuse_other_cluster(address: str, live: str, wanted: str) -> None:
    """``wanted``: ``platform_cluster_uid``, empty if the inventory does not say. Raises EngineError."""
    if not wanted or live == wanted:
        return
    if not live:
        raise EngineError(
            f"platform_cluster_uid = {wanted} cannot be compared with {address}: this user may not read the namespace "
            f"{SYSTEM} there. {_NOT_HERE}",
            "Allow it (docs/guide/deployer-cluster-role.yaml), or leave platform_cluster_uid empty.",
        )
    raise EngineError(
        f"platform_cluster_uid = {wanted} is another cluster than {address}, whose UID is {live}. {_NOT_HERE}",
        "Correct the address or context of this host. If the cluster was rebuilt, set platform_cluster_uid to its UID.",
    )


def refuse_shared(own: Seat, others: Iterable[Seat]) -> None:
    """No other host of the play leads to the same namespace of the same cluster. Raises EngineError.

    UIDs decide if both are known: one cluster has many addresses, and a gateway has one address for many clusters.
    """
    for other in others:
        if other.host == own.host or other.namespace != own.namespace:
            continue
        same = own.uid == other.uid if own.uid and other.uid else own.server == other.server
        if same:
            names = " and ".join(sorted((own.host, other.host)))
            where = own.server if own.server == other.server else f"{own.server} and {other.server} (UID {own.uid})"
            raise EngineError(
                f"Hosts {names} lead to one cluster, {where}, and one namespace, {own.namespace}. {_NOT_HERE}",
                "Give each host its own platform_context, platform_kubeconfig or platform_host, or its own "
                "platform_namespace. K8S_AUTH_HOST and the like of the environment are for one cluster: use --limit.",
            )


def refuse_foreign(own: Origin, before: Origin, *, place: str, take_over: bool) -> str:
    """The platform there is this inventory's, on this cluster; or it is taken over: from whom, else nothing.

    ``place``: namespace and cluster, for messages. Raises ForeignPlatform.
    """
    moved = bool(own.cluster_uid and before.cluster_uid and own.cluster_uid != before.cluster_uid)
    if not moved and not own.differs(before):
        return ""
    if take_over:
        return str(before)
    remedy = "Check which cluster and inventory are meant. To go on with this one: -e platform_take_over=true, once."
    if moved:
        raise ForeignPlatform(
            f"The releases in {place} were made on another cluster: its UID was {before.cluster_uid}, "
            f"here it is {own.cluster_uid}. {_NOT_HERE}",
            remedy,
        )
    raise ForeignPlatform(f"The platform in {place} was deployed by {before}; this is {own}. {_NOT_HERE}", remedy)
