"""The database: what the dump holds, the database that a restore grows in, and the swap at its end.

Dump and load are done by pg_dump and pg_restore in a container of the server's own image; here is everything else. A
restore never touches the live database until a second one is complete and counted: then their names change places in
one transaction.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import ObjectInUse

from .errors import BackupError, Unreachable
from .settings import Settings

DUMP, ROLES, CONTENT = "postgres/database.dump", "postgres/roles.sql", "postgres/content.txt"
_SWAP_TRIES = 20
_SWAP_PAUSE = 0.5  # seconds
_CONNECT_SECONDS = 10

# What pg_dumpall writes: quotes are doubled inside of quotes, comments and commands of psql are lines of their own.
_STATEMENT = re.compile(r"""\s+ | ^(?:--|\\).*$ | ((?:[^;'"] | '[^']*' | "[^"]*")+);""", re.MULTILINE | re.VERBOSE)
_NAME = r'("(?:[^"]|"")*"|[^\s"]+)'
_ABOUT = re.compile(
    rf"(?:CREATE|ALTER|COMMENT ON|SECURITY LABEL FOR {_NAME} ON) ROLE {_NAME}"
    rf"|(?:GRANT|REVOKE) (?:{_NAME}|.* ON PARAMETER \S+) (?:TO|FROM) {_NAME}"
)


# What a dump has rows of: no partitioned tables, whose partitions have them, and nobody's temporary ones. What belongs
# to an extension comes with it, and the dump at most has the rows that were added.
_TABLES = """
SELECT format('%I.%I', nspname, relname), EXISTS (
  SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e'
)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind = 'r' AND relpersistence <> 't' AND nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


def read_content(path: Path) -> dict[str, Any]:
    """What content.sh found in a dump: ``{version, rows: {table: rows}, content_sha256}``."""
    rows: dict[str, int] = {}
    content: dict[str, Any] = {"version": "", "rows": rows, "content_sha256": ""}
    for line in path.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "rows":
            number, _, table = rest.partition(" ")
            rows[table] = int(number)
        elif kind in {"version", "content_sha256"}:
            content[kind] = rest
    return content


class Database:
    """The server, as its superuser."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.name = settings.text("PGDATABASE")

    @property
    def growing(self) -> str:
        """The database that a restore grows in."""
        return f"{self.name}_restoring"

    @property
    def leaving(self) -> str:
        """What the live one is called after the swap, until it is dropped."""
        return f"{self.name}_replaced"

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """Raises BackupError with the server's words."""
        try:
            return psycopg.connect(
                host=self._settings.text("PGHOST"),
                port=int(self._settings.text("PGPORT", "5432")),
                user="postgres",
                password=self._settings.secret("POSTGRES_PASSWORD"),
                dbname=database,
                connect_timeout=_CONNECT_SECONDS,
                application_name="backup",
                client_encoding="utf8",  # else a database of SQL_ASCII answers in bytes
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise Unreachable(
                f"Postgres cannot be reached: {str(error).strip().splitlines()[-1]}.", "Look at it: make status."
            ) from error

    def reach(self) -> None:
        """Raises Unreachable where the server does not answer."""
        self.connect("postgres").close()

    def live_rows(self) -> dict[str, int]:
        """Rows of every table of the live database that is no extension's; empty where there is no such database."""
        with self.connect("postgres") as connection:
            if not _exists(connection, self.name):
                return {}
        with self.connect(self.name) as connection:
            tables = connection.execute(_TABLES).fetchall()
            return {table: _count(connection, table) for table, of_extension in tables if not of_extension}

    def is_as_saved(self, expected: Mapping[str, int]) -> bool:
        """Whether every table of the live database has the rows of the manifest, and there is no other."""
        with self.connect(self.name) as connection:
            ours = _ours(connection, expected)
        return self.live_rows() == ours

    def check_version(self, dumped: str) -> None:
        """Refuse the dump of a newer server: this one may not understand it. Raises BackupError."""
        with self.connect("postgres") as connection:
            own = connection.info.server_version // 10000
        made = re.match(r"(\d+)", dumped)
        if made and int(made[1]) > own:
            raise BackupError(
                f"The dump is of PostgreSQL {dumped}, and the server is {own}. Nothing was written.",
                f"Deploy PostgreSQL {made[1]} or later first (platform_image_overrides.postgres).",
            )

    def prepare(self, roles: Path) -> None:
        """Make the roles of the backup that are missing, all or none, and an empty database to grow in.

        Roles that there are keep what they are. Raises BackupError where the server refuses a role.
        """
        statements = _statements(roles.read_text())
        with self.connect("postgres") as connection:
            there = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles").fetchall()}
            missing = {_role(statement) for statement in statements if statement.startswith("CREATE ROLE ")} - there
            try:
                with connection.transaction():
                    for statement in statements:
                        if _role(statement) in {*missing, ""}:
                            connection.execute(statement.encode())
            except psycopg.Error as error:
                raise BackupError(
                    f"Postgres: roles of the backup that are missing ({', '.join(sorted(missing))}) cannot be made: "
                    f"{error.diag.message_primary or error}. Nothing was written.",
                    "Make them by hand as the backup's postgres/roles.sql says, and restore again.",
                ) from error
            _drop(connection, self.growing)
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(self.growing)))

    def check_grown(self, expected: Mapping[str, int]) -> None:
        """Compare the rows of every table with the manifest. Raises BackupError; the live database is as it was."""
        with self.connect(self.growing) as connection:
            for table, rows in _ours(connection, expected).items():
                found = _count(connection, table)
                if found != rows:
                    raise BackupError(
                        f"Postgres: {table} has {found} rows after loading, and the backup has {rows}. "
                        "The live database is as it was.",
                        "Try again; where it stays, choose another backup.",
                    )

    def swap(self) -> None:
        """Put the grown database in the place of the live one, in one transaction, then drop that one."""
        with self.connect("postgres") as connection:
            _drop(connection, self.leaving)
            for attempt in range(_SWAP_TRIES):
                try:
                    self._rename(connection)
                    break
                except ObjectInUse:  # somebody connected in between
                    if attempt == _SWAP_TRIES - 1:
                        raise BackupError(
                            f"Clients keep connecting to {self.name}, so that it cannot be replaced. It is as it was.",
                            "Stop them, and restore again.",
                        ) from None
                    time.sleep(_SWAP_PAUSE)
            _drop(connection, self.leaving)

    def _rename(self, connection: psycopg.Connection[Any]) -> None:
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname IN (%s, %s) AND pid <> pg_backend_pid()",
            (self.name, self.growing),
        )
        with connection.transaction():
            if _exists(connection, self.name):
                connection.execute(rename.format(sql.Identifier(self.name), sql.Identifier(self.leaving)))
            connection.execute(rename.format(sql.Identifier(self.growing), sql.Identifier(self.name)))


def _exists(connection: psycopg.Connection[Any], name: str) -> bool:
    return connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None


def _drop(connection: psycopg.Connection[Any], name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _ours(connection: psycopg.Connection[Any], rows: Mapping[str, int]) -> dict[str, int]:
    """Those of the tables that belong to no extension of this database."""
    extensions = {table for table, of_extension in connection.execute(_TABLES).fetchall() if of_extension}
    return {table: number for table, number in rows.items() if table not in extensions}


def _count(connection: psycopg.Connection[Any], table: str) -> int:
    """Rows of a table given as pg_dump quotes it; -1 where there is none."""
    connection.execute("SET search_path = ''")
    known = connection.execute("SELECT to_regclass(%s)::text", (table,)).fetchone()
    if known is None or known[0] is None:
        return -1
    # The server has quoted the name itself.
    answer = connection.execute(f"SELECT count(*) FROM ONLY {known[0]}".encode()).fetchone()  # noqa: S608
    return int(answer[0]) if answer else -1


def _statements(text: str) -> list[str]:
    """The statements of pg_dumpall --roles-only, without comments and commands of psql."""
    return [match[1] for match in _STATEMENT.finditer(text) if match[1]]


def _role(statement: str) -> str:
    """The role that a statement makes or changes; empty where it is about none, as SET."""
    about = _ABOUT.match(statement)
    if about is None:
        return ""
    name = about[about.lastindex or 0]
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
