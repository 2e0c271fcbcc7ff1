"""Entries of ``platform_services``: merged, cast, completed with defaults, checked alone and against each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import credentials, names, object_metadata, placement, resources
from . import scaling as scales
from .problems import Problems, suggest
from .reader import Reader

VARIABLE = "platform_services"
TIERS = ("services", "frontend")
STORES = ("postgres", "qdrant", "nats")
HOSTS = ("api", "frontend")
KEYS = (
    "tier",
    "port",
    "image",
    "calls",
    "uses",
    "secrets",
    "internet",
    "exposed",
    "resources",
    "scaling",
    "probes",
    "termination_grace_period_seconds",
    "secrets_as",
    "env",
    "migration",
    "build",
    "sync",
    "placement",
    "runtime_class",
    "service_account_annotations",
    "annotations",
    "labels",
)
BUILD = ("context", "dockerfile", "args", "target", "platforms")
SYNC = ("paths", "command")
PROBES = {"liveness": "/health", "readiness": "/ready"}
GRACE_SECONDS = 60
MIGRATION = ("command", "args", "env", "timeout_seconds", "backoff_limit")
MIGRATION_SECONDS = 600
# Set by the Deployment itself; an entry must not say them again.
OWN_ENVIRONMENT = frozenset(
    {
        "SERVICE_NAME",
        "SERVICE_VERSION",
        "PORT",
        "SERVICE_CALLS",
        "SERVICE_USES",
        "POD_NAME",
        "POD_NAMESPACE",
        "NODE_NAME",
    }
)
# A relative path that stays below where it begins.
_INSIDE = r"(?!/)(?!(?:.*/)?\.\.(?:/|$))\S(?:.*\S)?"

_HINTS = {
    "replicas": "Set scaling.min_replicas and scaling.max_replicas, or {enabled: false, replicas: N} under scaling",
    "environment": 'Did you mean "env"',
    "depends_on": "Write the parts that it calls under calls, the stores under uses",
    "cpu": "Write it under resources.requests, resources.limits or scaling",
    "memory": "Write it under resources.requests, resources.limits or scaling",
    "host": "Write exposed: api or exposed: frontend; the hosts follow platform_domain",
    "ports": "A part has one port: write port",
    "migrations": 'Did you mean "migration"',
    "node_selector": "Write it under placement",
    "nodeSelector": "Write node_selector under placement",
    "tolerations": "Write it under placement",
    "affinity": "Write it under placement",
    "runtimeClassName": 'Did you mean "runtime_class"',
    "volumes": "Parts keep no data on disk: use Postgres, Qdrant or a NATS stream",
}


@dataclass(slots=True)
class Migration:
    """What a part runs from its image before a version of it is rolled out. Seconds are of one try."""

    command: list[str]
    args: list[str]
    env: dict[str, str]
    timeout_seconds: int
    backoff_limit: int


@dataclass(slots=True)
class Entry:
    """One part as its entry says, every value cast and every default filled in."""

    name: str
    tier: str
    object: str
    port: int
    image: str
    calls: list[str]
    uses: list[str]
    secrets: list[str]
    internet: bool
    exposed: str
    resources: resources.Resources
    scaling: dict[str, Any]
    probes: dict[str, str]
    termination_grace_period_seconds: int
    secrets_as: str
    env: dict[str, str]
    migration: Migration | None
    build: dict[str, Any]
    sync: dict[str, Any]
    placement: dict[str, Any]
    runtime_class: str
    service_account_annotations: dict[str, str]
    metadata: dict[str, dict[str, dict[str, str]]]


def merge(base: Any, overrides: Any) -> Any:
    """Overrides merged into base recursively; lists and scalars are replaced, null takes a key out (as in RFC 7386).

    Neither argument is changed; what no override touches is shared, not copied.
    """
    if not isinstance(base, Mapping) or not isinstance(overrides, Mapping):
        return overrides
    merged = dict(base)
    for key, value in overrides.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = merge(merged.get(key, {}), value)
        else:
            merged[key] = value
    return merged


def read(services: Any, problems: Problems) -> dict[str, Entry]:
    """Entries by name, sorted, from the merged dict; faults are noted and never stop the reading."""
    if not isinstance(services, Mapping):
        problems.add(
            VARIABLE, services, "is not a dictionary", "Write one entry a part: name: {port: 3000, resources: {...}}"
        )
        return {}
    known = frozenset(name for name in services if isinstance(name, str))
    entries = {str(name): _entry(str(name), services[name], known, problems) for name in sorted(services, key=str)}
    _check_together(entries, problems)
    return entries


def _entry(name: str, value: Any, known: frozenset[str], problems: Problems) -> Entry:
    reader = Reader(value, f"{VARIABLE}.{name}", problems, KEYS, _HINTS)
    tier = reader.choice("tier", TIERS, "services")
    names.check_part(name, tier, reader.path, problems)
    probes = reader.nested("probes", PROBES)
    entry = Entry(
        name=name,
        tier=tier,
        object=names.object_name(name, tier),
        port=reader.integer("port", 1024, 65535, remedy="Pods run without root: choose a port from 1024 to 65535"),
        image=reader.text("image", name),
        calls=reader.names("calls", known, "part of the catalogue"),
        uses=reader.names("uses", STORES, "store"),
        secrets=_secrets(reader, problems),
        internet=reader.boolean("internet", False),
        exposed=reader.choice("exposed", ("", *HOSTS), ""),
        resources=resources.read(reader.raw("resources"), reader.at("resources"), problems),
        scaling=scales.read(reader),
        probes={
            kind: probes.text(kind, default, r"/[^\s]*", "Write a path that begins with /")
            for kind, default in PROBES.items()
        },
        termination_grace_period_seconds=reader.integer(
            "termination_grace_period_seconds",
            15,
            3600,
            GRACE_SECONDS,
            "Endpoints need 10 s to forget a pod: give 15 to 3600 seconds",
        ),
        secrets_as=reader.choice("secrets_as", ("files", "env"), "files"),
        env=reader.environment("env"),
        migration=_migration(reader),
        build=_build(reader),
        sync=_sync(reader),
        placement=placement.read(reader),
        runtime_class=reader.text("runtime_class", "", rf"|{names.DOMAIN}", "Name a RuntimeClass of the cluster"),
        service_account_annotations=object_metadata.read_account(reader),
        metadata=object_metadata.read(reader, object_metadata.COMPONENT_KINDS),
    )
    _check_entry(entry, reader, problems)
    return entry


def _migration(reader: Reader) -> Migration | None:
    if not reader.has("migration"):
        return None
    nested = reader.nested("migration", MIGRATION, {"image": "It runs the image of the part"})
    return Migration(
        command=nested.texts("command"),
        args=nested.texts("args"),
        env=nested.environment("env"),
        timeout_seconds=nested.integer("timeout_seconds", 1, 86400, MIGRATION_SECONDS),
        backoff_limit=nested.integer("backoff_limit", 0, 20, 0),
    )


def _build(reader: Reader) -> dict[str, Any]:
    """How the image of a part is built. The folder of its sources follows from the part where none is given."""
    inside = "Write a path below the folder of the sources, without .. and not beginning with /"
    build = reader.nested("build", BUILD)
    args = build.environment("args")
    for name in args:
        if credentials.reads_as_secret(name):
            build.problems.add_secret(
                f"{build.at('args')}.{name}",
                "reads as a secret, and an image keeps its build arguments in clear",
                "Give it to the part at run time, under secrets",
            )
    return {
        "context": build.text("context", "", _INSIDE, inside),
        "dockerfile": build.text("dockerfile", "Dockerfile", _INSIDE, inside),
        "args": args,
        "target": build.text("target", ""),
        "platforms": build.names("platforms", None, "platform"),
    }


def _sync(reader: Reader) -> dict[str, Any]:
    """What `make dev` may copy into running pods: folder of the sources to folder in the container."""
    if reader.raw("sync", {}) == {}:
        return {}
    sync = reader.nested("sync", SYNC)
    paths = sync.raw("paths", {})
    if not isinstance(paths, Mapping) or not paths:
        sync.problems.add(
            sync.at("paths"), paths, "names no folder", "Write folder of the sources: folder in the container"
        )
        return {}
    for source, target in paths.items():
        if not (isinstance(source, str) and re.fullmatch(_INSIDE, source)):
            sync.problems.add(
                sync.at("paths"), source, "is no folder of the sources", "Write it relative to build.context"
            )
        if not (isinstance(target, str) and re.fullmatch(r"/[^\s:]*[^\s:/]", target)):
            sync.problems.add(
                f"{sync.at('paths')}.{source}", target, "is no folder in the container", "Begin it with /"
            )
    command = sync.raw("command", [])
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        sync.problems.add(
            sync.at("command"), command, "is not a list of words", "Write a list, such as [npm, run, dev]"
        )
        command = []
    return {"paths": {str(source): str(target) for source, target in paths.items()}, "command": list(command)}


def _secrets(reader: Reader, problems: Problems) -> list[str]:
    accepted = []
    for name in reader.names("secrets", None, "credential"):
        fault = credentials.name_fault(name)
        if fault:
            problems.add(reader.at("secrets"), name, *fault)
        else:
            accepted.append(name)
    return accepted


def _check_entry(entry: Entry, reader: Reader, problems: Problems) -> None:
    if entry.name in entry.calls:
        problems.add(reader.at("calls"), entry.name, "is the part itself", "Remove it")
    if entry.probes["liveness"] == entry.probes["readiness"]:
        problems.add(
            f"{reader.at('probes')}.readiness",
            entry.probes["readiness"],
            "is the liveness path as well, so a slow dependency would restart the pod",
            "Give readiness a path of its own, such as /ready",
        )
    if entry.migration and entry.tier != "services":
        problems.add(
            reader.at("migration"),
            None,
            f"is at a part of the tier {entry.tier}, which has no database",
            "Write it at the service that owns the data",
        )
    if entry.migration and not (entry.migration.command or entry.migration.args):
        problems.add(
            f"{reader.at('migration')}.command",
            None,
            "is missing",
            "Give what the image is to run: command, or args for its own entrypoint",
        )
    _check_environment(entry, entry.env, reader.at("env"), problems)
    if entry.migration:
        _check_environment(entry, entry.migration.env, f"{reader.at('migration')}.env", problems)


def _check_environment(entry: Entry, env: Mapping[str, str], path: str, problems: Problems) -> None:
    taken = OWN_ENVIRONMENT | {key for name in _secret_names(entry) for key in (name, f"{name}_FILE")}
    for name in env.keys() & taken:
        problems.add_secret(f"{path}.{name}", "is set by the platform", "Remove it")
    for name in env.keys() - taken:
        if credentials.reads_as_secret(name):
            problems.add_secret(
                f"{path}.{name}",
                "reads as a secret, and env is written in clear",
                f"List {name.lower()} under secrets and give its value in platform_credentials",
            )


def _secret_names(entry: Entry) -> Iterable[str]:
    return (key for key, _source, _value in credentials.keys_of(entry.name, entry.uses, entry.secrets))


def _check_together(entries: Mapping[str, Entry], problems: Problems) -> None:
    """What only shows when entries are seen side by side: ports, hosts and object names that meet."""
    ports: dict[tuple[str, int], str] = {}
    hosts: dict[str, str] = {}
    objects: dict[str, str] = {}
    for entry in entries.values():
        path = f"{VARIABLE}.{entry.name}"
        first = ports.setdefault((entry.tier, entry.port), entry.name)
        if first != entry.name:
            problems.add(
                f"{path}.port", entry.port, f"is the port of {first} as well", "Give each part of a tier its own port"
            )
        if entry.exposed:
            first = hosts.setdefault(entry.exposed, entry.name)
            if first != entry.name:
                problems.add(
                    f"{path}.exposed", entry.exposed, f"is where {first} answers already", "Expose one part a host"
                )
        first = objects.setdefault(entry.object, entry.name)
        if first != entry.name:
            problems.add(
                path, None, f'makes the object name "{entry.object}", which is that of {first}', "Rename one of them"
            )


def check_images(entries: Iterable[Entry], images: Iterable[str], problems: Problems) -> None:
    """Note parts and stores whose image the map lacks."""
    known = frozenset(images)
    for entry in entries:
        if entry.image not in known:
            remedy = f"Add platform_images.{entry.image} or name another"
            others = f". {suggest(entry.image, known)}" if known else ""
            problems.add(f"{VARIABLE}.{entry.name}.image", entry.image, "is not in platform_images", remedy + others)
    for store in STORES:
        if store not in known:
            problems.add(f"platform_images.{store}", None, "is missing", "Give the image of the store")
