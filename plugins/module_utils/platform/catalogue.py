"""The derived model: what templates loop over, from ``platform_services`` and the few settings beside it.

read(...) notes every fault and returns a Model, derive(model) makes plain data of it in linear time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from . import (
    backup,
    credentials,
    edges,
    images,
    quota,
    replication,
    scaling,
    services,
    stores,
)
from .problems import Problems
from .reader import (
    environment as read_environment,
)

DEVELOPMENT = frozenset({"local", "dev"})


@dataclass(slots=True)
class Model:
    """Input that was read and cast, ready to derive from."""

    entries: dict[str, services.Entry]
    stores: dict[str, dict[str, Any]]
    images: dict[str, images.Image]
    registry: str
    pull_policy: str
    config: dict[str, str]
    headroom: Any
    backup: dict[str, Any]


def read(
    platform_services: Any,
    *,
    overrides: Any = None,
    images_map: Any = None,
    images_built: Any = None,
    image_overrides: Any = None,
    registry: Any = "",
    pull_policy: str = "Always",
    stores_map: Any = None,
    stores_overrides: Any = None,
    config: Any = None,
    environment: str = "local",
    log_level: str = "info",
    headroom: Any = None,
    backup_settings: Any = None,
    problems: Problems,
) -> Model:
    """Merge, cast, complete and check everything; the model may be derived from only if no problem was noted."""
    scaling.refuse_null(services.VARIABLE, platform_services, problems)
    scaling.refuse_null(f"{services.VARIABLE}_overrides", overrides, problems)
    merged = services.merge(platform_services, overrides) if overrides else platform_services
    entries = services.read(merged, problems)
    known_images = images.read(images_map, images_built, image_overrides, problems)
    services.check_images(entries.values(), known_images, problems)
    sizes = stores.read(services.merge(stores_map, stores_overrides) if stores_overrides else stores_map, problems)
    common = {
        "PLATFORM_ENVIRONMENT": environment,
        "NODE_ENV": "development" if environment in DEVELOPMENT else "production",
        "LOG_LEVEL": log_level,
        "LOG_FORMAT": "json",
        "POSTGRES_HOST": "postgres",
        "POSTGRES_PORT": str(edges.store_port("postgres")),
        "POSTGRES_DB": "multi_agent",
        "QDRANT_URL": f"http://qdrant:{edges.store_port('qdrant')}",
        "NATS_URL": f"nats://nats:{edges.store_port('nats')}",
        "NATS_STREAM": "platform",
        replication.STREAM_REPLICAS: str(replication.stream_replicas(sizes["nats"]["replicas"])),
    }
    common |= _extra_config(config, problems)
    _check_stream_replicas(config, entries, sizes["nats"]["replicas"], problems)
    return Model(
        entries=entries,
        stores=sizes,
        images=known_images,
        registry=images.read_prefix(registry, problems),
        pull_policy=pull_policy,
        config=dict(sorted(common.items())),
        headroom=stores.read_headroom(headroom, problems),
        backup=_backup(backup_settings, entries, known_images, problems),
    )


def _backup(
    value: Any, entries: Mapping[str, services.Entry], known_images: Mapping[str, images.Image], problems: Problems
) -> dict[str, Any]:
    settings = backup.read(value, problems)
    if settings["enabled"]:
        if backup.OBJECT in entries:
            problems.add(
                f"platform_services.{backup.OBJECT}",
                None,
                "has the name that backups have among the users of NATS",
                "Give the part another name",
            )
        if backup.OBJECT not in known_images:
            problems.add(
                f"platform_images.{backup.OBJECT}",
                None,
                "is missing, and backups are enabled",
                "Give the image; `make images S=backup` builds it",
            )
    return settings


def _extra_config(config: Any, problems: Problems) -> dict[str, str]:
    extra = read_environment(config or {}, "platform_config", problems)
    for name in extra:
        if credentials.reads_as_secret(name):
            problems.add_secret(
                f"platform_config.{name}",
                "reads as a secret, and a ConfigMap is readable in clear",
                "List it under a part's secrets and give its value in platform_credentials",
            )
    return extra


def _check_stream_replicas(
    config: Any, entries: Mapping[str, services.Entry], servers: int, problems: Problems
) -> None:
    """What users say themselves wins over what follows from the replicas, where the servers can keep it."""
    given = {"platform_config": config if isinstance(config, Mapping) else {}}
    for name, entry in entries.items():
        given[f"platform_services.{name}.env"] = entry.env
        given[f"platform_services.{name}.migration.env"] = entry.migration.env if entry.migration else {}
    for path, environment in given.items():
        replication.check_stream_replicas(environment, path, servers, problems)


def derive(model: Model) -> dict[str, Any]:
    """The derived model as plain data: parts, by_name, stores, config, credentials, images, quota, backup."""
    graph = edges.derive(model.entries.values())
    parts = [_part(entry, model, graph) for entry in model.entries.values()]
    references = {name: image.text(model.registry) for name, image in model.images.items()}
    return {
        "parts": parts,
        "by_name": {part["name"]: part for part in parts},
        "stores": {name: _store(name, model, graph) for name in model.stores},
        "config": {
            "common": model.config,
            "service_urls": {
                f"{part['name'].upper().replace('-', '_')}_SERVICE_URL": f"http://{part['object']}:{part['port']}"
                for part in parts
                if part["tier"] == "services"
            },
        },
        "credentials": derive_credentials(model),
        "images": {store: references[store] for store in services.STORES}
        | {part["name"]: part["image"] for part in parts}
        | ({backup.OBJECT: references[backup.OBJECT]} if model.backup["enabled"] else {}),
        "quota": quota.derive(
            model.entries.values(), model.stores.values(), model.headroom, backup.claims(model.backup)
        ),
        "backup": _backup_part(model, references),
        "exposed": {part["exposed"]: part["name"] for part in parts if part["exposed"]},
    }


def derive_credentials(model: Model) -> list[dict[str, Any]]:
    """Every credential that the parts and the stores need, without values."""
    wanted = (
        (entry.name, [key["credential"] for key in _secret_keys(entry) if "credential" in key])
        for entry in model.entries.values()
    )
    own = [(backup.OBJECT, [backup.CREDENTIAL])] if model.backup["enabled"] else []
    return [credential.as_dict() for credential in credentials.derive([*wanted, *own])]


def _backup_part(model: Model, references: Mapping[str, str]) -> dict[str, Any]:
    if not model.backup["enabled"]:
        return model.backup
    return {
        **model.backup,
        "object": backup.OBJECT,
        "image": references[backup.OBJECT],
        "image_tag": model.images[backup.OBJECT].version,
        "image_pull_policy": model.pull_policy,
    }


def _part(entry: services.Entry, model: Model, graph: edges.Edges) -> dict[str, Any]:
    image = model.images[entry.image]
    ingress = graph.ingress[entry.name]
    return {
        "name": entry.name,
        "tier": entry.tier,
        "object": entry.object,
        "component": "frontend" if entry.tier == "frontend" else "service",
        "port": entry.port,
        "image": image.text(model.registry),
        "image_name": entry.image,
        "image_tag": image.version,
        "image_pull_policy": model.pull_policy,
        "calls": sorted(entry.calls),
        "called_by": [peer["name"] for peer in ingress],
        "uses": sorted(entry.uses),
        "secrets_as": entry.secrets_as,
        "internet": entry.internet,
        "exposed": entry.exposed,
        "resources": entry.resources,
        "scaling": entry.scaling,
        "probes": entry.probes,
        "termination_grace_period_seconds": entry.termination_grace_period_seconds,
        "env": entry.env,
        "migration": asdict(entry.migration) if entry.migration else None,
        "build": entry.build,
        "sync": entry.sync,
        "placement": entry.placement,
        "runtime_class": entry.runtime_class,
        "service_account_annotations": entry.service_account_annotations,
        **entry.metadata,
        "secret_keys": _secret_keys(entry),
        "egress": graph.egress[entry.name],
        "ingress": ingress,
    }


def _secret_keys(entry: services.Entry) -> list[dict[str, str]]:
    return [
        {"key": key, source: value}
        for key, source, value in sorted(credentials.keys_of(entry.name, entry.uses, entry.secrets))
    ]


def _store(name: str, model: Model, graph: edges.Edges) -> dict[str, Any]:
    ingress = graph.ingress[name]
    return {
        "object": name,
        "component": stores.COMPONENTS[name],
        "image": model.images[name].text(model.registry),
        "image_tag": model.images[name].version,
        "image_pull_policy": model.pull_policy,
        "ports": edges.STORE_PORTS[name],
        "users": [peer["name"] for peer in ingress],
        "ingress": ingress,
        **model.stores[name],
    }
