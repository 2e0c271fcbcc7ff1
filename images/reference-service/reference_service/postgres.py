"""Rows in PostgreSQL: one table in the part's own schema, under the part's own role."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection, sql
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from .monitor import Dependency
from .settings import Settings

TABLE = "round_trips"
RETENTION = "7 days"
_PRUNE_EVERY = 500  # inserts


def parameters(settings: Settings) -> dict[str, Any]:
    """How to connect, with the credentials of this moment. Raises CredentialError."""
    return {
        "host": settings.postgres_host,
        "port": settings.postgres_port,
        "dbname": settings.postgres_database,
        "user": settings.credentials.require("POSTGRES_USER"),
        "password": settings.credentials.require("POSTGRES_PASSWORD"),
        "application_name": settings.name,
        "autocommit": True,
        "connect_timeout": 2,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,  # milliseconds
    }


class Postgres(Dependency):
    """A small pool: at the maximum of every autoscaler 70 pods share the server's 100 connections."""

    kind = "store"

    def __init__(self, settings: Settings) -> None:
        super().__init__("postgres")
        self._settings = settings
        self._table = sql.Identifier(settings.name, TABLE)
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] | None = None
        self._prepared = False
        self._inserts = 0

    def _parameters(self) -> dict[str, Any]:
        """Asked for at each new connection, so that a rotated password is used from the next one on."""
        return parameters(self._settings) | {"options": "-c statement_timeout=5000"}

    async def check(self) -> None:
        """Answers, and holds the table."""
        pool = await self._opened()
        async with pool.connection(timeout=1.4) as connection:
            if self._prepared:
                await connection.execute("SELECT 1")
            else:
                await self._prepare(connection)

    async def _opened(self) -> AsyncConnectionPool[AsyncConnection[Any]]:
        if self._pool is None:
            self._settings.credentials.require("POSTGRES_PASSWORD")  # its absence is said as such, not as a time-out
            pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
                kwargs=self._parameters,
                min_size=1,
                max_size=self._settings.postgres_pool,
                max_lifetime=600,
                # The pool doubles its pause up to this; the monitor asks again anyway and starts a new try.
                reconnect_timeout=2,
                check=AsyncConnectionPool.check_connection,
                open=False,
            )
            await pool.open(wait=False)
            self._pool = pool
        return self._pool

    async def _prepare(self, connection: AsyncConnection[Any]) -> None:
        async with connection.transaction():
            # CREATE TABLE IF NOT EXISTS of two replicas at once can collide in the catalogue.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [self._settings.name])
            await connection.execute(
                sql.SQL(
                    "CREATE TABLE IF NOT EXISTS {} ("
                    " run_id uuid NOT NULL,"
                    " caller text NOT NULL,"
                    " trace_id text NOT NULL,"
                    " version text NOT NULL,"
                    " detail jsonb NOT NULL,"
                    " recorded_at timestamptz NOT NULL DEFAULT now(),"
                    " PRIMARY KEY (run_id, caller))"
                ).format(self._table)
            )
        self._prepared = True

    async def record(self, run_id: str, caller: str, trace_id: str, detail: dict[str, Any]) -> str:
        """Write the row of one leg; writing it again changes nothing. Returns what was touched, for people."""
        pool = await self._opened()
        async with pool.connection(timeout=3) as connection:
            await connection.execute(
                sql.SQL(
                    "INSERT INTO {} (run_id, caller, trace_id, version, detail) VALUES (%s, %s, %s, %s, %s)"
                    " ON CONFLICT DO NOTHING"
                ).format(self._table),
                [run_id, caller, trace_id, self._settings.version, Jsonb(detail)],
            )
            self._inserts += 1
            if self._inserts % _PRUNE_EVERY == 0:
                await connection.execute(
                    sql.SQL("DELETE FROM {} WHERE recorded_at < now() - {}::interval").format(self._table, RETENTION)
                )
        return f"row in {self._settings.name}.{TABLE}"

    async def find(self, run_id: str) -> int:
        """How many legs of this run are on record."""
        pool = await self._opened()
        async with pool.connection(timeout=3) as connection:
            cursor = await connection.execute(
                sql.SQL("SELECT count(*) FROM {} WHERE run_id = %s").format(self._table), [run_id]
            )
            row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def forget(self, run_id: str) -> int:
        """Delete the rows of a run; returns how many there were."""
        pool = await self._opened()
        async with pool.connection(timeout=3) as connection:
            cursor = await connection.execute(sql.SQL("DELETE FROM {} WHERE run_id = %s").format(self._table), [run_id])
        return cursor.rowcount

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close(timeout=2)
