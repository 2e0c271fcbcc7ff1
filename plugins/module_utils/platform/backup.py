"""What backups take of the platform: ``platform_backup``, checked and cast."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from . import cron, resources
from .problems import Problems
from .reader import Reader, to_boolean

VARIABLE = "platform_backup"
OBJECT = "backup"  # of pods, policies, the account, and the user of NATS
CREDENTIAL = "nats_password_backup"
_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_SIZES = {"volume_size": "20Gi", "scratch_size": "20Gi"}


def read(value: Any, problems: Problems) -> dict[str, Any]:
    """{enabled, volume_size, scratch_size}; the sizes count in the namespace's quota where it is enabled."""
    reader = Reader(value or {}, VARIABLE, problems, ("enabled", *_SIZES))
    enabled = reader.boolean("enabled", False)
    sizes = {key: str(reader.raw(key, default)) for key, default in _SIZES.items()}
    for key, size in sizes.items():
        resources.check_amount("storage", size, reader.at(key), problems)
    return {"enabled": enabled, **sizes}


def check(values: Mapping[str, Any], problems: Problems) -> None:
    """Check the role's settings, where backups are enabled; absent ones were found faulty before."""
    if not to_boolean((values.get(VARIABLE) or {}).get("enabled")):
        return
    for name in ("backup_schedule", "backup_drill_schedule"):
        schedule = str(values.get(name) or "")
        if (schedule or name == "backup_schedule") and (fault := cron.fault(schedule)):
            problems.add(name, schedule, fault, "Write five fields, such as 17 2 * * *, or @daily")
    _check_recipients(values, problems)
    _check_place(values, problems)
    for name, least in (("backup_timeout", 60), ("backup_maximum_age_hours", 1)):
        number = values.get(name)
        if number is not None and int(number) < least:
            problems.add(name, number, f"is less than {least}", f"Give {least} or more")
    retention = values.get("backup_retention") or {}
    if any(int(number or 0) < 0 for number in retention.values()):
        problems.add("backup_retention", retention, "has a number below 0", "Give how many to keep")
    if values.get("backup_resources") is not None:
        resources.read(values["backup_resources"], "backup_resources", problems)


def _check_recipients(values: Mapping[str, Any], problems: Problems) -> None:
    for index, recipient in enumerate(values.get("backup_age_recipients") or ()):
        if not _RECIPIENT.fullmatch(str(recipient)):
            # Somebody may have put the private key here: it is not repeated.
            remedy = "Give what `age-keygen -y` shows: age1 and 58 characters. The private key is never given here"
            problems.add_secret(f"backup_age_recipients[{index}]", "is no public key of age", remedy)
    if to_boolean(values.get("backup_credentials")) and not values.get("backup_age_recipients"):
        problems.add(
            "backup_age_recipients",
            "[]",
            "names nobody who could read the credentials in backups",
            "Make a key pair with age-keygen and give the public key, or set backup_credentials to false",
        )


def _check_place(values: Mapping[str, Any], problems: Problems) -> None:
    bucket = values.get("backup_s3") or {}
    if not bucket.get("bucket"):
        return
    if not bucket.get("secret"):
        problems.add("backup_s3.secret", None, "is missing", "Name a Secret with access_key_id, secret_access_key")
    if values.get("backup_existing_claim"):
        problems.add(
            "backup_existing_claim",
            values["backup_existing_claim"],
            "names a volume, and backup_s3 a bucket",
            "Choose one of them",
        )


def claims(backup: dict[str, Any]) -> list[str]:
    """Sizes of the volumes that there may be at a time: of the backups, and scratch of a backup, a restore, a drill."""
    return [backup["volume_size"], *[backup["scratch_size"]] * 3] if backup["enabled"] else []
