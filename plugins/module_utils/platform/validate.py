"""Every check of the inputs that needs no cluster, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import catalogue, credential_references, credentials, settings, specs, tiers
from .problems import Problems
from .reader import to_boolean


def check_inputs(
    known: specs.Specs, defined: Iterable[str], values: Mapping[str, Any], problems: Problems
) -> tuple[dict[str, Any], catalogue.Model]:
    """Check names, types and rules of all roles' inputs; the cast values and the catalogue that was read.

    known: the argument specs. defined: names of all variables that are set. values: the plain, resolved values of those
    that are options. Options without a value count with their documented default.
    """
    specs.check_names(known, defined, problems)
    cast = specs.check_values(known, values, problems)
    effective = {name: default for name, default in known.defaults().items() if name not in values} | cast
    settings.check(effective, problems)
    tiers.check(effective, problems)
    model = read_catalogue(effective, problems)
    if model.entries:
        _check_credentials(effective, model, problems)
    return effective, model


def read_catalogue(values: Mapping[str, Any], problems: Problems) -> catalogue.Model:
    """The catalogue from the shared settings."""
    return catalogue.read(
        values.get("platform_services"),
        overrides=values.get("platform_services_overrides"),
        images_map=values.get("platform_images"),
        images_built=values.get("platform_images_built"),
        image_overrides=values.get("platform_image_overrides"),
        registry=values.get("platform_image_registry"),
        pull_policy=values.get("platform_image_pull_policy") or "Always",
        stores_map=values.get("platform_stores"),
        stores_overrides=values.get("platform_stores_overrides"),
        config=values.get("platform_config"),
        environment=str(values.get("platform_environment")),
        log_level=str(values.get("platform_log_level")),
        headroom=values.get("platform_quota_headroom"),
        backup_settings=values.get("platform_backup"),
        problems=problems,
    )


def _check_credentials(values: Mapping[str, Any], model: catalogue.Model, problems: Problems) -> None:
    environment = str(values.get("platform_environment"))
    generate = to_boolean(values.get("platform_generate_credentials"))
    if generate is None:
        generate = environment not in settings.STRICT_ENVIRONMENTS
    wanted, complete = catalogue.derive_credentials(model), not problems
    given, existing = values.get("platform_credentials"), str(values.get("platform_existing_secret") or "")
    references = credential_references.read(values.get(credential_references.VARIABLE), wanted, problems)
    credential_references.check(references, wanted if complete else None, given, existing, problems)
    credentials.check(
        wanted,
        given,
        # What is only rendered holds references to credentials, so none has to be there.
        demand=not (generate or values.get("platform_render_to")),
        environment=environment,
        complete=complete,
        existing_secret=existing,
        referred=frozenset(reference.credential for reference in references),
        problems=problems,
    )
