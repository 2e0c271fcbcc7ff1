"""Checks of the settings beside the catalogue: what a type alone does not say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import names
from .problems import Problems
from .reader import to_boolean

STRICT_ENVIRONMENTS = ("staging", "prod")
_OBJECT = re.compile(r"[A-Z][A-Za-z0-9]*(/[a-z0-9]([-a-z0-9]*[a-z0-9])?)?/[^/\s]+")
_VERSION = re.compile(r"[0-9]+\.[0-9]+")


def check(values: Mapping[str, Any], problems: Problems) -> None:
    """Check the shared ``platform_*`` settings; those that are absent were found faulty before and are passed over."""

    def given(name: str) -> bool:
        return values.get(name) is not None

    if given("platform_namespace"):
        names.check_namespace(values["platform_namespace"], "platform_namespace", problems)
    if given("platform_domain"):
        names.check_domain(values["platform_domain"], "platform_domain", problems)
    if given("platform_labels"):
        names.check_labels(values["platform_labels"], "platform_labels", problems)
    if given("platform_existing_secret") and values["platform_existing_secret"]:
        names.check_object(values["platform_existing_secret"], "platform_existing_secret", problems)
    for index, secret in enumerate(values.get("platform_image_pull_secrets") or []):
        names.check_object(secret, f"platform_image_pull_secrets[{index}]", problems)
    _check_pruning(values, problems)
    if given("platform_wait_timeout") and not 1 <= int(values["platform_wait_timeout"]) <= 86400:
        problems.add(
            "platform_wait_timeout",
            values["platform_wait_timeout"],
            "is outside 1 to 86400",
            "Give seconds, such as 600",
        )
    minimum = values.get("platform_server_version_minimum")
    if minimum is not None and not _VERSION.fullmatch(str(minimum)):
        problems.add(
            "platform_server_version_minimum", minimum, "is no version", 'Write major.minor in quotes, such as "1.34"'
        )
    if values.get("platform_environment") in STRICT_ENVIRONMENTS and to_boolean(values.get("platform_dev_sync")):
        problems.add(
            "platform_dev_sync",
            values["platform_dev_sync"],
            f"is refused in {values['platform_environment']}: there, what runs is what was built",
            "Set it to false",
        )
    if values.get("platform_environment") in STRICT_ENVIRONMENTS and to_boolean(
        values.get("platform_generate_credentials")
    ):
        problems.add(
            "platform_generate_credentials",
            values["platform_generate_credentials"],
            f"is refused in {values['platform_environment']}",
            "Set it to false and give platform_credentials, or name a Secret in platform_existing_secret",
        )


def _check_pruning(values: Mapping[str, Any], problems: Problems) -> None:
    keep, data = (values.get(f"platform_prune_{name}") or [] for name in ("keep", "data"))
    for variable, objects in (("platform_prune_keep", keep), ("platform_prune_data", data)):
        for index, name in enumerate(objects):
            if not _OBJECT.fullmatch(str(name)):
                problems.add(
                    f"{variable}[{index}]",
                    name,
                    "does not name an object",
                    "Write Kind/name, such as ConfigMap/legacy, or Kind/namespace/name",
                )
    for name in sorted({*keep} & {*data}):
        problems.add("platform_prune_keep", name, "is in platform_prune_data as well", "Remove it from one of them")
