"""Random fleets, wired rightly and wrongly: no wrong wiring reaches its first write, and no right one is refused."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible import wiring
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible.connection import say_where
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible.variables import SHARED_ROLE, Variables
from ansible_collections.multi_agent.platform.plugins.module_utils.engine import config
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.connection import Connection, canonical
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.errors import EngineError
from ansible_collections.multi_agent.platform.plugins.module_utils.operations import identity, releases
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.origin import Origin

MISWIRINGS = 1000
RIGHT = 500
NAMESPACE = "multi-agent"


@dataclass
class World:
    """Clusters by UID, and which of them answers at an address."""

    addresses: dict[str, str] = field(default_factory=dict)
    # UID -> whose release is recorded there.
    releases: dict[str, Origin] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    written: list[tuple[str, str]] = field(default_factory=list)


class Server:
    """The two requests that identify a cluster, answered by the world."""

    def __init__(self, world: World, host: str, connection: Connection) -> None:
        self.connection, self._world, self._host = connection, world, host

    def send(self, method: str, path: str, *_: Any, **__: Any) -> tuple[int, dict[str, Any]]:
        assert method == "GET"
        uid = self._world.addresses[canonical(self.connection.server)]
        if path == "/api/v1/namespaces/kube-system":
            self._world.asked[self._host] += 1
            return 200, {"metadata": {"uid": uid}}
        assert path == f"/api/v1/namespaces/{NAMESPACE}/configmaps"
        origin = self._world.releases.get(uid)
        metadata = {"labels": {releases.LABEL: "3"}, "annotations": origin.annotations()} if origin else None
        return 200, {"items": [{"metadata": metadata}] if metadata else []}


@dataclass
class Fleet:
    """Hosts with their variables, the environment of the run, and the cluster that each host means."""

    world: World = field(default_factory=World)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    meant: dict[str, str] = field(default_factory=dict)
    # Of a wrong wiring those that must be refused.
    wrong: set[str] = field(default_factory=set)

    def address(self, host: str) -> str:
        """The address at which the cluster of a host answers."""
        return next(a for a, uid in self.world.addresses.items() if uid == self.meant[host])


def kubeconfig(contexts: dict[str, str], current: str = "") -> str:
    """As text, of these contexts and their servers."""
    document = {
        "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in contexts],
        "clusters": [{"name": name, "cluster": {"server": server}} for name, server in contexts.items()],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "current-context": current or next(iter(contexts)),
    }
    return json.dumps(document)


# --- right wirings ----------------------------------------------------------------------------------------------------


def fleet(chance: random.Random, least: int = 1) -> Fleet:
    """Each host leads to the cluster that it means, in one of the ways that the documentation names."""
    made = Fleet()
    names = [f"h{number}" for number in range(chance.randint(least, 5))]
    for number, name in enumerate(names):
        uid, server = f"uid-{number}-{chance.randrange(1 << 30)}", f"https://{name}.example.org:6443"
        made.world.addresses[server] = made.meant[name] = uid
        if chance.random() < 0.7:
            # Deployed before, from this inventory; perhaps by AWX, whose folder says nothing, or by an older version.
            said = Origin("prod", name, "", chance.choice([uid, ""]))
            made.world.releases[uid] = chance.choice([said, said, Origin()])
    servers = {f"c-{name}": made.address(name) for name in names}
    way = chance.choice(["contexts", "data", "hosts"])
    if way == "contexts":
        where = chance.choice(["K8S_AUTH_KUBECONFIG", "platform_kubeconfig"])
        if where.startswith("K8S"):
            made.env[where] = kubeconfig(servers)
        for name in names:
            made.hosts[name] = {"platform_context": f"c-{name}"}
            made.hosts[name] |= {} if made.env else {where: kubeconfig(servers)}
    elif way == "data":
        for name in names:
            text = kubeconfig({"only": made.address(name)})
            made.hosts[name] = {"platform_kubeconfig": chance.choice([text, json.loads(text)])}
    else:
        for name in names:
            made.hosts[name] = {"platform_host": made.address(name), "platform_api_key": "t"}
    if chance.random() < 0.3:  # of the shell, meant for other tools
        made.env["KUBECONFIG"] = "/home/jane/.kube/config"
    for name in names:
        made.hosts[name] |= {"platform_cluster_uid": made.meant[name]} if chance.random() < 0.4 else {}
        made.hosts[name] |= {"platform_environment": "prod", "inventory_dir": "/runner/inventory"}
    return made


def awx(chance: random.Random) -> Fleet:
    """One cluster, named by AWX's bearer token credential alone or by the inventory as well."""
    made = fleet(chance)
    name = next(iter(made.hosts))
    server = made.address(name)
    own = chance.choice(
        [{}, {"platform_host": f"{server}/"}, {"platform_host": server.upper().replace("HTTPS", "https")}]
    )
    made.hosts = {name: {"platform_environment": "prod", **own}}
    made.env = {"K8S_AUTH_HOST": server, "K8S_AUTH_API_KEY": "t", "K8S_AUTH_VERIFY_SSL": "True"}
    return made


# --- wrong wirings ----------------------------------------------------------------------------------------------------


def swapped(chance: random.Random) -> Fleet:
    """Two hosts lead to each other's cluster. Found by what is known of the clusters: UID or release."""
    made = fleet(chance, least=2)
    one, other = chance.sample(sorted(made.hosts), 2)
    for name, wrong in ((one, other), (other, one)):
        if chance.random() < 0.5:
            made.hosts[name]["platform_cluster_uid"] = made.meant[name]
        else:
            made.hosts[name].pop("platform_cluster_uid", None)
            made.world.releases[made.meant[wrong]] = Origin("prod", wrong, "", made.meant[wrong])
    for variable in ("platform_context", "platform_kubeconfig", "platform_host"):
        a, b = made.hosts[one].pop(variable, None), made.hosts[other].pop(variable, None)
        made.hosts[one] |= {variable: b} if b else {}
        made.hosts[other] |= {variable: a} if a else {}
    made.wrong = {one, other}
    return made


def awx_over_a_fleet(chance: random.Random) -> Fleet:
    """AWX's variables name one cluster (of the fleet or not), the hosts others, or nothing at all."""
    made = fleet(chance, least=2)
    first = next(iter(made.hosts))
    server = chance.choice([made.address(first), "https://awx.example.org"])
    made.world.addresses.setdefault(server, "uid-awx")
    kind = chance.choice(["words", "no kubeconfig", "silent"])
    if kind != "words":
        for name, variables in made.hosts.items():
            for variable in ("platform_kubeconfig", "platform_host", "platform_api_key"):
                variables.pop(variable, None)
            variables.pop("platform_context", None)
            if kind == "no kubeconfig":
                variables["platform_context"] = f"c-{name}"
        made.env = {"KUBECONFIG": "/nonexistent/config"}
    made.env |= {"K8S_AUTH_HOST": server, "K8S_AUTH_API_KEY": "t"}
    right = {first} if kind == "words" and server == made.address(first) else set()
    made.wrong = made.hosts.keys() - right
    return made


def exported(chance: random.Random) -> Fleet:
    """A kubeconfig or context that is exported for something else leads to another cluster."""
    made = fleet(chance)
    made.world.addresses["https://other.example.org"] = "uid-other"
    made.hosts = {
        name: {"platform_environment": "prod", "platform_kubeconfig": kubeconfig({"a": made.address(name)})}
        for name in made.hosts
    }
    foreign = kubeconfig({"z": "https://other.example.org"})
    made.env |= chance.choice(
        [{"K8S_AUTH_KUBECONFIG": foreign}, {"K8S_AUTH_KUBECONFIG": foreign, "K8S_AUTH_CONTEXT": "z"},
         {"K8S_AUTH_CONTEXT": "z"}, {"K8S_AUTH_KUBECONFIG": "/nonexistent/config"}]
    )  # fmt: skip
    made.wrong = set(made.hosts)
    return made


def rebuilt(chance: random.Random) -> Fleet:
    """The cluster behind an address is a new one, and the inventory knows the UID of the old."""
    made = fleet(chance)
    name = chance.choice(sorted(made.hosts))
    made.hosts[name]["platform_cluster_uid"] = made.meant[name]
    made.world.addresses[made.address(name)] = "uid-rebuilt"
    made.wrong = {name}
    return made


def two_names(chance: random.Random) -> Fleet:
    """Two hosts lead to one cluster by two addresses, or by one that is spelled in two ways."""
    made = fleet(chance, least=2)
    one, other = chance.sample(sorted(made.hosts), 2)
    server, uid = made.address(one), made.meant[one]
    alias = chance.choice(["https://10.0.0.9:6443", f"{server}/", server.replace("https", "HTTPS")])
    made.world.addresses[canonical(alias)] = uid
    made.world.releases.pop(uid, None)
    made.env.pop("K8S_AUTH_KUBECONFIG", None)
    made.hosts[one] = {"platform_environment": "prod", "platform_host": server, "platform_api_key": "t"}
    made.hosts[other] = {"platform_environment": "prod", "platform_host": alias, "platform_api_key": "t"}
    for name in made.hosts.keys() - {one, other}:
        made.hosts[name] = {
            "platform_host": made.address(name),
            "platform_api_key": "t",
            "platform_environment": "prod",
        }
    made.wrong = {one, other}
    return made


def another_inventory(chance: random.Random) -> Fleet:
    """The platform there is of another environment, host or inventory, or was copied from another cluster."""
    made = fleet(chance)
    name = chance.choice(sorted(made.hosts))
    made.hosts[name]["inventory_dir"] = "/home/jane/checkout/inventories/prod"
    right = Origin("prod", name, "prod", made.meant[name])
    field_, value = chance.choice(
        [("environment", "staging"), ("host", "elsewhere"), ("inventory", "qa"), ("cluster_uid", "uid-of-another")]
    )
    made.world.releases[made.meant[name]] = replace(right, **{field_: value})
    made.wrong = {name}
    return made


# --- a play -----------------------------------------------------------------------------------------------------------


def play(made: Fleet, **extra: Any) -> dict[str, str]:
    """Each host identifies its cluster, then each is approved and writes; host -> why it was refused."""
    hostvars = {name: {"inventory_hostname": name, **variables, **extra} for name, variables in made.hosts.items()}
    refused: dict[str, str] = {}
    servers: dict[str, tuple[Server, dict[str, Any], Variables]] = {}
    for name, known in hostvars.items():
        every = {**known, "hostvars": hostvars, "ansible_play_hosts_all": list(hostvars)}
        variables = Variables(None, every, [SHARED_ROLE])
        arguments: dict[str, Any] = {"namespace": NAMESPACE}
        try:
            say_where(arguments, variables.get)
            server = Server(made.world, name, config.resolve(arguments, made.env))
            servers[name] = server, arguments, variables
            uid = identity.uid(server)
            identity.refuse_other_cluster(name, uid, str(known.get("platform_cluster_uid", "")))
        except EngineError as error:
            refused[name] = str(error)
            continue
        seat = identity.Seat(name, canonical(server.connection.server), NAMESPACE, uid)
        known[wiring.REGISTERED] = every[wiring.REGISTERED] = {wiring.SEAT: asdict(seat)}
    for name in made.hosts.keys() - refused.keys():
        server, arguments, variables = servers[name]
        cluster: Any = server
        try:
            wiring.Check(cluster, arguments, variables).approve()
        except EngineError as error:
            refused[name] = str(error)
        else:
            made.world.written.append((name, made.world.addresses[canonical(server.connection.server)]))
    return refused


@pytest.fixture
def in_environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """What reads the environment of this process reads the one given."""
    real_refuse, real_place = config.refuse_contradiction, config.place

    def use(env: dict[str, str]) -> None:
        from ansible_collections.multi_agent.platform.plugins.module_utils.ansible import connection  # noqa: PLC0415

        monkeypatch.setattr(connection, "refuse_contradiction", lambda params: real_refuse(params, env))
        monkeypatch.setattr(config, "place", lambda params: real_place(params, env))

    return use


WRONG = (swapped, awx_over_a_fleet, exported, rebuilt, two_names, another_inventory)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda made: made.__name__)
def test_wrong_wirings_are_refused_before_a_write(wrong: Any, in_environment: Any) -> None:
    for seed in range(-(-MISWIRINGS // len(WRONG))):
        made = wrong(random.Random(f"{wrong.__name__} {seed}"))  # noqa: S311 - no secret
        in_environment(made.env)
        refused = play(made)
        assert refused.keys() == made.wrong, (seed, refused, made)
        assert all(uid == made.meant[name] for name, uid in made.world.written), seed
        assert max(made.world.asked.values(), default=0) <= 1, seed
        assert not any(secret in text for text in refused.values() for secret in ('"token"', "Bearer")), refused


@pytest.mark.parametrize("right", [fleet, awx], ids=lambda made: made.__name__)
def test_right_wirings_are_not_refused(right: Any, in_environment: Any) -> None:
    for seed in range(RIGHT):
        made = right(random.Random(f"{right.__name__} {seed}"))  # noqa: S311 - no secret
        in_environment(made.env)
        assert play(made) == {}, (seed, made)
        assert dict(made.world.written) == {name: made.meant[name] for name in made.hosts}, seed
        assert set(made.world.asked.values()) == {1}, seed


def test_a_take_over_is_for_another_inventory_alone(in_environment: Any) -> None:
    chance = random.Random("take over")  # noqa: S311 - no secret
    for _ in range(100):
        made = another_inventory(chance)
        in_environment(made.env)
        assert play(made, platform_take_over=True) == {}
        made = rebuilt(chance)
        in_environment(made.env)
        assert play(made, platform_take_over=True).keys() == made.wrong


def test_one_address_of_two_clusters_is_told_apart_by_uid() -> None:
    own, other = (identity.Seat(name, "https://login.example.org", NAMESPACE, f"uid-{name}") for name in ("eu", "us"))
    identity.refuse_shared(own, [other])
    with pytest.raises(EngineError, match="Hosts eu and us lead to one cluster"):
        identity.refuse_shared(own, [replace(other, uid="")])
    identity.refuse_shared(own, [replace(other, uid="", namespace="other")])


def test_a_play_without_the_platform_is_nobody_s(in_environment: Any) -> None:
    """Objects of one's own, applied to the platform's namespace: neither refused nor on record as owner."""
    made = fleet(random.Random("own objects"))  # noqa: S311 - no secret
    in_environment(made.env)
    for name, said in made.hosts.items():
        made.world.releases[made.meant[name]] = Origin("prod", "elsewhere", "prod", made.meant[name])
        del said["platform_environment"]
    assert play(made) == {}
    variables = Variables(None, {"inventory_hostname": "localhost", "inventory_dir": "/x/inventories/own"}, [])
    before = Origin("prod", "eu", "prod", "uid")
    assert wiring.origin(variables, "localhost", "uid").completed(before) == before


def test_releases_without_an_origin_refuse_nothing() -> None:
    assert not Origin("prod", "eu", "prod", "uid").differs(Origin())
    assert identity.refuse_foreign(Origin("prod", "eu"), Origin(), place="namespace ns", take_over=False) == ""


@pytest.mark.parametrize(
    ("folder", "file", "name"),
    [
        ("/home/jane/checkout/inventories/prod", "/home/jane/checkout/inventories/prod/hosts.yml", "prod"),
        ("/builds/7/platform/inventories/prod", "/builds/7/platform/inventories/prod/hosts.yml", "prod"),
        ("/srv/inventories", "/srv/inventories/prod.yml", "prod"),
        ("/runner/inventory", "/runner/inventory/hosts", ""),
        ("/tmp/tmp.x8Kz", "/tmp/tmp.x8Kz/hosts.yml", ""),
        ("", "", ""),
    ],
    ids=["laptop", "pipeline", "file", "awx", "temporary", "none"],
)
def test_inventory_name_is_one_that_machines_share(folder: str, file: str, name: str) -> None:
    assert wiring.inventory_name(folder, file) == name
