"""Before the first write: this is the cluster that the inventory means, no other host's, and the platform is ours."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError

from ..engine import config
from ..engine.cluster import Cluster
from ..engine.connection import canonical
from ..engine.errors import ConfigurationError
from ..engine.render import plain
from ..operations import identity
from ..operations.identity import Seat
from ..operations.origin import Origin
from .connection import VARIABLES
from .variables import SHARED_ROLE, Variables, argument_spec

# What the tasks that ask a cluster who it is register, and where in their result it is.
REGISTERED = "__platform_identity"
SEAT = "cluster"


class Check:
    """Asks the cluster at once; ``approve`` waits for the answers. At most one request for the cluster's UID."""

    def __init__(self, cluster: Cluster, arguments: Mapping[str, Any], variables: Variables) -> None:
        """``arguments``: the options of the task, completed by ``say_where``."""
        self._variables = variables
        self._namespace = str(arguments["namespace"])
        self._says_where = any(arguments.get(option) for option in config.PLACE)
        self._host = str(variables.get("inventory_hostname", ""))
        self._server = canonical(cluster.connection.server)
        self._address = cluster.connection.address
        seat = _registered(variables.raw(REGISTERED))
        # What was registered in an earlier play may be of another cluster.
        self._known = seat if seat and seat.server == self._server else None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="identity")
        self._asked: Future[tuple[str, Origin]] = self._pool.submit(self._ask, cluster)

    def _ask(self, cluster: Cluster) -> tuple[str, Origin]:
        uid = self._known.uid if self._known else identity.uid(cluster)
        return uid, identity.recorded(cluster, self._namespace)

    def approve(self) -> str:
        """The origin that the platform is taken over from, mostly empty. Raises EngineError before any write."""
        try:
            uid, before = self._asked.result()
        finally:
            self._pool.shutdown(wait=False)
        wanted = str(self._variables.get("platform_cluster_uid") or "")
        identity.refuse_other_cluster(self._address, uid, wanted)
        seat = Seat(self._host, self._server, self._namespace, uid)
        identity.refuse_shared(seat, _others(self._variables, seat, says_where=self._says_where))
        own = origin(self._variables, self._host, uid)
        take_over = bool(self._variables.get("platform_take_over", False))
        place = f"namespace {self._namespace} ({self._address})"
        former = identity.refuse_foreign(own, before, place=place, take_over=take_over)
        self._variables.origin = own if former else own.completed(before)
        return former


def origin(variables: Variables, host: str, uid: str) -> Origin:
    """Whose run this is. A play that applies objects of its own, without the role ``platform``, has no origin."""
    environment = str(variables.get("platform_environment") or "")
    if not environment:
        return Origin(cluster_uid=uid)
    return Origin(
        environment=environment,
        host=host,
        inventory=inventory_name(str(variables.get("inventory_dir") or ""), str(variables.get("inventory_file") or "")),
        cluster_uid=uid,
    )


def inventory_name(folder: str, file: str) -> str:
    """The name of an inventory below a folder ``inventories``; of any other none that two machines would share."""
    path = Path(folder)
    if path.parent.name == "inventories":
        return path.name
    return Path(file).stem if path.name == "inventories" else ""


# --- the other hosts of the play --------------------------------------------------------------------------------------


def _others(variables: Variables, own: Seat, *, says_where: bool) -> list[Seat]:
    """Where the other hosts of the play lead: as registered, else by what the inventory says. No request."""
    hosts = [str(host) for host in variables.get("ansible_play_hosts_all") or () if host != own.host]
    every = variables.raw("hostvars") if hosts else None
    if every is None:
        return []
    found = []
    for host in hosts:
        known = every[host]
        seat = _registered(known.get(REGISTERED)) or _by_words(host, known, says_where=says_where)
        if seat:
            found.append(seat)
    return found


def _registered(result: Any) -> Seat | None:
    """What an identifying task said; None if it did not run, was skipped or failed."""
    seat = result.get(SEAT) if isinstance(result, Mapping) else None
    return Seat(**{name: str(value) for name, value in plain(seat).items()}) if seat else None


def _by_words(host: str, known: Mapping[str, Any], *, says_where: bool) -> Seat | None:
    """By the variables of a host whose cluster was not asked yet; None if it cannot be told.

    A host that says nothing leads where the environment does, and only compares with others that say nothing.
    """
    spec = argument_spec(SHARED_ROLE)
    try:
        said = {option: value for option, variable in VARIABLES.items() if (value := plain(known.get(variable)))}
        namespace = plain(known.get("platform_namespace")) or spec["platform_namespace"]["default"]
        if any(option in said for option in config.PLACE) != says_where:
            return None
        return Seat(host, config.place(said), str(namespace))
    except (AnsibleError, ConfigurationError):
        # Its own run says what is wrong with it.
        return None
