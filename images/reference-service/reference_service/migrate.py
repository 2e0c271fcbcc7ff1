"""python -m reference_service migrate: what a part's own tool would do to its schema before a version is rolled out.

It records the version in a table of the part's schema, in one transaction: a migration that fails leaves nothing.
MIGRATION_FAIL makes it fail with that text; MIGRATION_SECONDS makes it take that long.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping

import psycopg
from psycopg import sql

from .credentials import CredentialError
from .monitor import describe
from .postgres import parameters
from .settings import Settings

log = logging.getLogger(__name__)

TABLE = "schema_versions"
# Seconds to wait for the server: a migration is started with the platform, maybe before its database answers.
PATIENCE = 60.0


def migrate(settings: Settings, environment: Mapping[str, str] = os.environ) -> int:
    """The exit code: 0 where the schema is that of this version, 1 where it stays as it was."""
    try:
        with _connect(settings) as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{settings.name}:{TABLE}"])
            table = sql.Identifier(settings.name, TABLE)
            connection.execute(
                sql.SQL(
                    "CREATE TABLE IF NOT EXISTS {} (version text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
                ).format(table)
            )
            connection.execute(
                sql.SQL("INSERT INTO {} (version) VALUES (%s) ON CONFLICT DO NOTHING").format(table), [settings.version]
            )
            time.sleep(float(environment.get("MIGRATION_SECONDS") or 0))
            if reason := environment.get("MIGRATION_FAIL"):
                raise RuntimeError(reason)
    except (psycopg.Error, CredentialError, RuntimeError, ValueError) as error:
        log.error("migration failed", extra={"error": describe(error)})
        return 1
    log.info("migrated", extra={"table": f"{settings.name}.{TABLE}"})
    return 0


def _connect(settings: Settings) -> psycopg.Connection[tuple[object, ...]]:
    """Raises psycopg.Error where the server does not answer in time, CredentialError where there is no password."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return psycopg.connect(**parameters(settings))
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise
            log.info("waiting for postgres", extra={"error": describe(error)})
            time.sleep(1)
