"""Backups and restores over real PostgreSQL and NATS, a Qdrant of few calls, a folder and an S3 server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import nats as nats_client
import psycopg
import pytest
from boto3.exceptions import S3UploadFailedError
from conftest import DATABASE, Pod
from moto.server import ThreadedMotoServer
from nats.js.errors import ServerError
from servers import Nats, Qdrant

from platform_backup import credentials, manifest, store
from platform_backup.errors import BackupError
from platform_backup.manifest import NAME
from platform_backup.postgres import Database
from platform_backup.qdrant import drilled
from platform_backup.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VALUE = "a secret that nobody may see"


def fill(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    """Three rows and an odd name, two points, four messages and a consumer."""
    pod.sql('CREATE SCHEMA IF NOT EXISTS agent; CREATE TABLE agent."Odd name" (id int, text text)')
    pod.sql("INSERT INTO agent.\"Odd name\" VALUES (1, E'a\\nb'), (2, E'\\\\.'), (3, NULL)")
    pod.sql("CREATE TABLE agent.empty (id int)")
    qdrant.points = {"notes": [1, 2]}
    qdrant.aliases = [{"collection_name": "notes", "alias_name": "latest"}]

    async def publish() -> None:
        client = await nats_client.connect(f"nats://127.0.0.1:{nats.port}")
        stream = client.jetstream()
        for info in await stream.streams_info():
            await stream.delete_stream(info.config.name)
        for left in reversed(range(20)):
            try:
                await stream.add_stream(name="platform", subjects=["events.>"])
                break
            except ServerError:  # files of the one just deleted are still being removed
                if not left:
                    raise
                await asyncio.sleep(0.5)
        for number in range(4):
            await stream.publish(f"events.{number}", b"x" * 200_000)
        await stream.subscribe("events.>", durable="reader")
        await client.close()

    asyncio.run(publish())


def messages(nats: Nats) -> dict[str, tuple[int, int]]:
    """Stream -> (messages, consumers)."""

    async def ask() -> dict[str, tuple[int, int]]:
        client = await nats_client.connect(f"nats://127.0.0.1:{nats.port}")
        found = await client.jetstream().streams_info()
        await client.close()
        return {info.config.name: (info.state.messages, info.state.consumer_count) for info in found}

    return asyncio.run(ask())


def spoil(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    """Other data in every store, and things that the backup does not know."""
    pod.sql('DELETE FROM agent."Odd name"; CREATE TABLE agent.later (id int)')
    qdrant.points = {"notes": [9], "later": [1]}
    qdrant.aliases = [
        {"collection_name": "later", "alias_name": "latest"},
        {"collection_name": "notes", "alias_name": "later"},
    ]

    async def change() -> None:
        client = await nats_client.connect(f"nats://127.0.0.1:{nats.port}")
        await client.jetstream().purge_stream("platform")
        await client.jetstream().add_stream(name="later", subjects=["later.>"])
        await client.close()

    asyncio.run(change())


def check(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    """Everything is as `fill` made it."""
    assert pod.sql('SELECT * FROM agent."Odd name" ORDER BY id') == [(1, "a\nb"), (2, "\\."), (3, None)]
    assert pod.sql("SELECT to_regclass('agent.later')") == [(None,)]
    assert qdrant.points == {"notes": [1, 2]}
    assert qdrant.aliases == [{"collection_name": "notes", "alias_name": "latest"}]
    assert messages(nats) == {"platform": (4, 1)}


def result(output: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(output.rpartition("RESULT ")[2])
    return found


def backup_folder(pod: Pod, name: str) -> Path:
    return Path(pod.environment["BACKUP_ROOT"]) / "agents" / name


def test_rows_points_and_messages_come_back(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup()
    (listed,) = result(pod.run("list").stdout)["backups"]  # type: ignore[misc]
    assert listed["counts"] == {
        "tables": 2, "rows": 3, "collections": 1, "points": 2, "streams": 1, "messages": 4,
    }  # fmt: skip
    spoil(pod, qdrant, nats)
    done = pod.restore(name)
    assert done.returncode == 0, done.stderr
    check(pod, qdrant, nats)
    assert result(done.stdout)["gone"] == {"qdrant": ["later"], "nats": ["later"]}
    assert pod.sql("SELECT datname FROM pg_database WHERE datname LIKE 'multi_agent%'") == [(DATABASE,)]


def test_one_part_alone_leaves_the_others(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup()
    spoil(pod, qdrant, nats)
    assert pod.restore(name, PARTS="postgres").returncode == 0
    assert len(pod.sql('SELECT * FROM agent."Odd name"')) == 3
    assert qdrant.points == {"notes": [9], "later": [1]}


def test_a_drill_compares_content(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup()
    done = pod.restore(name, last="drill", DRILL="true")
    report = result(done.stdout)
    assert done.returncode == 0, done.stderr
    assert set(report["checks"].values()) == {True}  # type: ignore[attr-defined]
    # The same number of rows, and another content.
    content = pod.scratch / "work" / "content.txt"
    content.write_text(content.read_text().replace("content_sha256 ", "content_sha256 0"))
    pod.run("prepare", FROM=name, DRILL="true")
    pod.script("load.sh.j2", FROM=name)
    differs = pod.run("drill", FROM=name, DRILL="true")
    assert differs.returncode == 1
    assert "differs from it: checksum of the database's content" in differs.stderr


def test_clients_that_are_connected_do_not_keep_the_restore(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup()
    stop = threading.Event()

    def pester() -> None:
        while not stop.is_set():
            with contextlib.suppress(psycopg.Error):  # it is thrown out again and again
                pod.sql("SELECT 1")

    thread = threading.Thread(target=pester)
    thread.start()
    try:
        assert pod.restore(name, PARTS="postgres").returncode == 0
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def second(pod: Pod, qdrant: Qdrant) -> Iterator[Qdrant]:
    """Another node of the cluster."""
    server = Qdrant()
    server.nodes = qdrant.nodes = [qdrant, server]
    pod.environment["QDRANT_NODES"] = f"{qdrant.url},{server.url}"
    yield server
    server.stop()


def test_each_node_of_a_cluster_has_its_points_again(pod: Pod, qdrant: Qdrant, second: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    second.points = {"notes": [3]}
    name = pod.backup()
    (listed,) = result(pod.run("list").stdout)["backups"]  # type: ignore[misc]
    assert listed["counts"]["points"] == 3
    qdrant.points, second.points = {"notes": [9], "later": [1]}, {"notes": [], "later": [2]}
    done = pod.restore(name, PARTS="qdrant")
    assert done.returncode == 0, done.stderr
    assert (qdrant.points, second.points) == ({"notes": [1, 2]}, {"notes": [3]})


@pytest.mark.parametrize(
    ("written", "fetched", "bounds"),
    [(1, False, (3, 3)), (99, False, (4, 5)), (0, True, (2, 2))],
    ids=["once", "all the time", "while it is downloaded"],
)
def test_points_that_come_meanwhile_do_not_spoil_a_backup(
    pod: Pod, qdrant: Qdrant, nats: Nats, written: int, fetched: bool, bounds: tuple[int, int]
) -> None:
    fill(pod, qdrant, nats)
    qdrant.written, qdrant.fetched = written, fetched
    name = pod.backup()
    assert not qdrant.snapshots
    qdrant.written, qdrant.fetched = 0, False
    saved = json.loads((backup_folder(pod, name) / NAME).read_text())["parts"]["qdrant"]["collections"]["notes"]
    assert (saved.get("points_least", saved["points"]), saved["points"]) == bounds
    done = pod.restore(name, last="drill", DRILL="true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(qdrant.points["notes"]) == bounds[0]


@pytest.mark.parametrize(
    ("found", "as_saved"),
    [
        ({"notes-0": 2, "notes-1": 2}, True),
        ({"notes-0": 3, "notes-1": 3}, True),  # each has a replica of all
        ({"notes-0": 2, "notes-1": 0}, False),
        ({"notes-0": 5, "notes-1": 0}, False),
        ({"notes-0": 3}, False),
        ({"notes-0": 2, "notes-1": 2, "later-0": 0}, False),
    ],
)
def test_shares_of_a_cluster_are_compared_with_what_was_counted_exactly(found: dict[str, int], as_saved: bool) -> None:
    snapshots = [{"node": node, "file": "", "points": 7} for node in (0, 1)]  # earlier backups have estimates
    collection = {"points": 4, "points_least": 3, "snapshots": snapshots}
    assert drilled(found, {"nodes": 2, "collections": {"notes": collection}}) is as_saved


def test_another_number_of_nodes_is_refused_and_drilled_all_the_same(
    pod: Pod, qdrant: Qdrant, second: Qdrant, nats: Nats
) -> None:
    fill(pod, qdrant, nats)
    second.points = {"notes": [3]}
    name = pod.backup()
    alone = Qdrant()
    try:
        refused = pod.run("prepare", FROM=name, QDRANT_NODES=alone.url)
        assert refused.returncode == 1
        assert "The backup is of 2 Qdrant nodes, and this platform has 1. Nothing was written." in refused.stderr
        done = pod.restore(name, last="drill", DRILL="true", QDRANT_NODES=alone.url)
        assert done.returncode == 0, done.stdout + done.stderr
        assert alone.points == {"notes-0": [1, 2], "notes-1": [3]}
    finally:
        alone.stop()


def test_more_replicas_than_servers_are_refused_and_drilled_all_the_same(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup()
    path = backup_folder(pod, name) / NAME
    made = manifest.parse(path.read_bytes(), name)
    made.parts["nats"]["streams"]["platform"]["config"]["num_replicas"] = 3
    path.write_bytes(made.dump())
    spoil(pod, qdrant, nats)
    there = messages(nats)
    refused = pod.restore(name)
    assert refused.returncode == 1
    assert "Stream platform of the backup has 3 replicas" in refused.stderr
    assert "Set platform_stores_overrides.nats.replicas to 3" in refused.stderr
    assert messages(nats) == there
    assert qdrant.points == {"notes": [9], "later": [1]}
    assert pod.sql('SELECT * FROM agent."Odd name"') == []
    assert pod.run("prepare", FROM=name, NATS_SERVERS="3").returncode == 0
    done = pod.restore(name, last="drill", DRILL="true")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_copy_that_somebody_named_is_kept_and_is_never_the_latest(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup()
    golden = backup_folder(pod, name).with_name("golden")
    shutil.copytree(backup_folder(pod, name), golden)
    assert f"Backup {name} is sound" in pod.run("prepare", FROM="latest").stdout
    assert "Backup golden is sound" in pod.run("prepare", FROM="golden").stdout
    done = pod.restore("latest", last="drill", DRILL="true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert result(done.stdout)["longest_gap_seconds"] == 0
    shutil.rmtree(backup_folder(pod, name))
    none = pod.run("prepare", FROM="latest")
    assert none.returncode == 1
    assert "There is no backup 'latest'. Newest first, there are: golden." in none.stderr


@pytest.fixture
def roles(pod: Pod) -> Iterator[Callable[..., list[tuple[object, ...]]]]:
    """Runs statements over roles and asks for them; those that begin with ``r_`` go at the end."""

    def ask(*statements: str) -> list[tuple[object, ...]]:
        for statement in statements:
            pod.sql(statement, "postgres")
        return pod.sql(
            "SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, shobj_description(oid, 'pg_authid'), ARRAY(SELECT "
            "roleid::regrole::text FROM pg_auth_members WHERE member = r.oid) FROM pg_roles AS r "
            "WHERE rolname LIKE 'r\\_%' ORDER BY 1",
            "postgres",
        )

    def drop() -> None:
        for name, *_ in ask():
            quoted = str(name).replace('"', '""')
            ask(f'DROP ROLE "{quoted}"')

    drop()
    yield ask
    drop()


def test_roles_that_there_are_keep_what_they_are(
    pod: Pod, qdrant: Qdrant, nats: Nats, roles: Callable[..., list[tuple[object, ...]]]
) -> None:
    fill(pod, qdrant, nats)
    roles(
        "CREATE ROLE r_admin LOGIN SUPERUSER",
        "CREATE ROLE r_part",
        "CREATE ROLE r_part_b NOLOGIN",
        "GRANT r_part TO r_part_b",
        "COMMENT ON ROLE r_part IS 'as it was'",
    )
    name = pod.backup()
    today = roles(
        "ALTER ROLE r_admin NOSUPERUSER NOLOGIN",
        "ALTER ROLE r_part_b LOGIN",
        "REVOKE r_part FROM r_part_b",
        "COMMENT ON ROLE r_part IS 'as it is'",
    )
    assert pod.restore(name, PARTS="postgres").returncode == 0
    assert roles() == today


def test_roles_that_are_missing_come_back_with_all_that_they_were(
    pod: Pod, qdrant: Qdrant, nats: Nats, roles: Callable[..., list[tuple[object, ...]]]
) -> None:
    fill(pod, qdrant, nats)
    odd = '"r_odd; ""TO"" r_part"'
    was = roles(
        "CREATE ROLE r_part",
        f"CREATE ROLE {odd} LOGIN CREATEDB",
        f"GRANT r_part TO {odd}",
        f"COMMENT ON ROLE {odd} IS E'it''s; of\\n-- two lines\\n\\\\ and a half\\n'",
        f"ALTER ROLE {odd} SET search_path = 'a;b', \"c'd\"",
    )
    config = f"SELECT setconfig FROM pg_db_role_setting WHERE setrole = '{odd}'::regrole"
    (setting,) = pod.sql(config)
    name = pod.backup()
    roles(f"DROP ROLE {odd}")
    done = pod.restore(name, PARTS="postgres")
    assert done.returncode == 0, done.stderr
    assert roles() == was
    assert pod.sql(config) == [setting]


def test_a_role_that_the_server_refuses_is_a_sentence_and_leaves_none(
    pod: Pod, qdrant: Qdrant, nats: Nats, roles: Callable[..., list[tuple[object, ...]]]
) -> None:
    fill(pod, qdrant, nats)
    roles("CREATE ROLE r_part")
    roles_file = pod.scratch / "roles.sql"
    roles_file.write_text("CREATE ROLE r_new;\nALTER ROLE r_new WITH NOSUCHTHING;\n")
    with pytest.raises(BackupError, match=r"missing \(r_new\) cannot be made: unrecognized role option"):
        Database(Settings(pod.environment)).prepare(roles_file)
    assert [name for name, *_ in roles()] == ["r_part"]


def test_partitions_are_counted_once_and_tables_of_extensions_not_at_all(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    pod.sql(
        "CREATE TABLE agent.parts (id int) PARTITION BY RANGE (id); INSERT INTO agent.empty VALUES (1);"
        "CREATE TABLE agent.low PARTITION OF agent.parts FOR VALUES FROM (0) TO (9); INSERT INTO agent.parts VALUES (1)"
    )
    name = pod.backup()
    done = pod.restore(name, last="drill", DRILL="true")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((backup_folder(pod, name) / NAME).read_text())["parts"]["postgres"]["rows"]
    assert rows == {'agent."Odd name"': 3, "agent.empty": 1, "agent.low": 1}
    # A dump has the rows that were added to an extension's table, and the extension brings its own.
    pod.sql("ALTER EXTENSION plpgsql ADD TABLE agent.empty; INSERT INTO agent.empty VALUES (2)")
    database = Database(Settings(pod.environment))
    assert database.live_rows() == {'agent."Odd name"': 3, "agent.low": 1}
    assert database.is_as_saved(rows)
    assert not database.is_as_saved({**rows, "agent.later": 0})
    try:
        pod.sql(f"ALTER DATABASE {DATABASE} RENAME TO {database.growing}", "postgres")
        database.check_grown(rows)
    finally:
        pod.sql(f"ALTER DATABASE {database.growing} RENAME TO {DATABASE}", "postgres")


def test_a_role_that_cannot_be_set_fails_the_load(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup()
    for login in ("pg_reserved", "r_valid"):
        (pod.scratch / "roles" / f"role-{login}").write_text(VALUE)
    done = pod.restore(name)
    assert done.returncode == 1
    said = (pod.scratch / "termination").read_text()
    assert "The roles could not be set: " in said
    assert 'role name "pg_reserved" is reserved' in said
    assert "The live database is as it was." in said
    assert VALUE not in said
    check(pod, qdrant, nats)


def test_an_interrupted_restore_leaves_the_database_and_is_begun_again(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup()
    pod.sql("INSERT INTO agent.empty VALUES (1)")
    assert pod.run("prepare", FROM=name).returncode == 0
    assert pod.script("load.sh.j2").returncode == 0  # and here the pod is killed
    assert pod.sql("SELECT count(*) FROM agent.empty") == [(1,)]
    assert pod.restore(name).returncode == 0
    check(pod, qdrant, nats)


def test_a_corrupt_backup_changes_nothing(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup()
    dump = backup_folder(pod, name) / "postgres" / "database.dump"
    data = bytearray(dump.read_bytes())
    data[len(data) // 2] ^= 1
    dump.write_bytes(data)
    done = pod.restore(name)
    assert done.returncode == 1
    assert "checksum of postgres/database.dump" in done.stderr
    assert "Traceback" not in done.stderr
    check(pod, qdrant, nats)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"FROM": "19990101-000000"}, "There is no backup '19990101-000000'"),
        ({"PARTS": "tapes"}, "There is no part 'tapes'"),
        ({"QDRANT_NODES": "http://127.0.0.1:1"}, "Qdrant 127.0.0.1:1 cannot be reached"),
        ({"NATS_URL": "nats://127.0.0.1:1"}, "NATS cannot be reached"),
        ({"PGPORT": "1"}, "Postgres cannot be reached"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    pod: Pod, qdrant: Qdrant, nats: Nats, change: dict[str, str], words: str
) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup()
    done = pod.run("prepare", **{"FROM": name, **change})
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    check(pod, qdrant, nats)


def test_a_backup_of_another_platform_is_refused(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup()
    backup_folder(pod, name).parent.rename(backup_folder(pod, name).parent.with_name("others"))
    done = pod.run("prepare", FROM=name, PLATFORM="others")
    assert "is of platform agents, and this one is others" in done.stderr


def test_a_dump_that_fails_leaves_nothing_and_says_why(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    kept = pod.backup()
    failed = pod.script("dump.sh.j2", POD_NAME="broken", PGDATABASE="nothing")
    assert failed.returncode == 1
    assert 'database "nothing" does not exist' in (pod.scratch / "termination").read_text()
    assert [path.name for path in backup_folder(pod, kept).parent.iterdir()] == [kept]


def test_credentials_are_never_in_clear_and_open_with_the_key(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    from pyrage import decrypt  # noqa: PLC0415

    fill(pod, qdrant, nats)
    name = pod.backup()
    folder = backup_folder(pod, name)
    assert not [path for path in folder.rglob("*") if path.is_file() and VALUE.encode() in path.read_bytes()]
    data = (folder / credentials.FILE).read_bytes()
    assert json.loads(decrypt(data, [pod.identity])) == {"jwt_secret": VALUE}
    assert VALUE not in pod.run("credentials", FROM=name).stdout


def test_without_a_key_credentials_stay_out(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    fill(pod, qdrant, nats)
    name = pod.backup(AGE_RECIPIENTS="")
    assert not (backup_folder(pod, name) / "credentials").exists()
    assert "has no credentials" in pod.run("credentials", FROM=name).stderr


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[dict[str, str]]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    for name, value in (("id", "key"), ("secret", "secret")):
        (tmp_path / name).write_text(value)
    # Servers of one process share what they keep.
    urllib.request.urlopen(f"{endpoint}/moto-api/reset", data=b"").close()  # noqa: S310 - our own
    client_of({"S3_ENDPOINT": endpoint}).create_bucket(Bucket="acme")
    yield {
        "S3_BUCKET": "acme",
        "S3_PREFIX": "a/b",
        "S3_ENDPOINT": endpoint,
        "S3_ACCESS_KEY_ID_FILE": str(tmp_path / "id"),
        "S3_SECRET_ACCESS_KEY_FILE": str(tmp_path / "secret"),
    }
    server.stop()


def client_of(bucket: dict[str, str]) -> S3Client:
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    return boto3.client("s3", endpoint_url=bucket["S3_ENDPOINT"], region_name="us-east-1", **keys)


def keys_in(client: S3Client) -> set[str]:
    return {item["Key"] for item in client.list_objects_v2(Bucket="acme").get("Contents", [])}


def test_an_upload_that_breaks_off_leaves_nothing(
    pod: Pod, bucket: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    for file in ("a", "b", NAME):
        (staging / file).write_text(file)
    target = store.find(Settings(pod.environment | bucket))
    upload = target._client.upload_file  # type: ignore[attr-defined]

    def break_off(source: str, *where: str) -> None:
        upload(source, *where)
        if source.endswith("/b"):
            raise S3UploadFailedError("the line is cut")

    monkeypatch.setattr(target._client, "upload_file", break_off)  # type: ignore[attr-defined]
    with pytest.raises(BackupError, match="cannot be written: the line is cut"):
        target.publish(staging, "20261123-011736")
    assert keys_in(client_of(bucket)) == set()


def test_what_broke_off_in_a_bucket_is_swept_by_a_later_backup(
    pod: Pod, qdrant: Qdrant, nats: Nats, bucket: dict[str, str]
) -> None:
    pod.environment |= bucket
    fill(pod, qdrant, nats)
    client = client_of(bucket)
    limit = int(pod.environment["BACKUP_TIMEOUT"])
    old, young = (manifest.new_name(datetime.now(UTC) - timedelta(seconds=limit + more)) for more in (60, -60))
    for name in (old, young, "golden", "2026", f"{old}-copy"):
        client.put_object(Bucket="acme", Key=f"a/b/agents/{name}/postgres/database.dump", Body=b"")
    client.put_object(Bucket="acme", Key="a/b/agents/20010101-000000/manifest.json", Body=b"")
    client.put_object(Bucket="acme", Key=f"a/b/others/{old}/postgres/database.dump", Body=b"")
    before = keys_in(client)
    pod.backup(KEEP_ALL="true")
    assert before <= keys_in(client)
    pod.backup()
    assert before - keys_in(client) == {f"a/b/agents/{old}/postgres/database.dump"}


def test_a_bucket_keeps_backups_as_a_volume_does(pod: Pod, qdrant: Qdrant, nats: Nats, bucket: dict[str, str]) -> None:
    pod.environment |= bucket
    fill(pod, qdrant, nats)
    name = pod.backup()
    assert not any(Path(pod.environment["BACKUP_ROOT"]).rglob("*.dump"))
    spoil(pod, qdrant, nats)
    assert pod.restore("latest").returncode == 0
    check(pod, qdrant, nats)
    client = client_of(bucket)
    assert f"a/b/agents/{name}/{NAME}" in keys_in(client)
    # One whose manifest is not there yet, or no more, is none.
    client.delete_object(Bucket="acme", Key=f"a/b/agents/{name}/{NAME}")
    assert "There is no backup." in pod.run("prepare", FROM="latest").stderr


def test_retention_empties_a_bucket(pod: Pod, qdrant: Qdrant, nats: Nats, bucket: dict[str, str]) -> None:
    pod.environment |= bucket | {"RETENTION": '{"last": 1}'}
    fill(pod, qdrant, nats)
    pod.backup()
    second = pod.backup()
    assert [made["name"] for made in result(pod.run("list").stdout)["backups"]] == [second]  # type: ignore[attr-defined]


def test_a_backup_before_a_restore_lets_none_go(pod: Pod, qdrant: Qdrant, nats: Nats) -> None:
    pod.environment |= {"RETENTION": '{"last": 1}'}
    fill(pod, qdrant, nats)
    first = pod.backup()
    second = pod.backup(KEEP_ALL="true")
    made = result(pod.run("list").stdout)["backups"]  # type: ignore[attr-defined]
    assert {one["name"] for one in made} == {first, second}
    spoil(pod, qdrant, nats)
    assert pod.restore(first).returncode == 0
    check(pod, qdrant, nats)


def test_a_bucket_that_is_not_there_is_a_sentence(pod: Pod, bucket: dict[str, str]) -> None:
    done = pod.run("list", **bucket | {"S3_BUCKET": "nobodys"})
    assert done.returncode == 1
    assert "Bucket nobodys" in done.stderr
    assert "NoSuchBucket" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def full(pod: Pod, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Puts a file system of a size in the place of the backup volume, with what is there already."""
    root = Path(pod.environment["BACKUP_ROOT"])
    mounted = False

    def mount(size: str) -> None:
        nonlocal mounted
        kept = tmp_path / "kept"
        root.rename(kept)
        root.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(root)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("mounting takes root")
        mounted = True
        shutil.copytree(kept, root, dirs_exist_ok=True)

    yield mount
    if mounted:
        subprocess.run(["umount", str(root)], check=True)


@pytest.mark.parametrize(("size", "points"), [("32k", 1), ("400k", 200_000)], ids=["in the dump", "in a snapshot"])
def test_a_full_volume_is_said_and_keeps_what_was_there(
    pod: Pod, qdrant: Qdrant, nats: Nats, full: Callable[[str], None], size: str, points: int
) -> None:
    fill(pod, qdrant, nats)
    kept = pod.backup()
    full(size)
    qdrant.points = {"notes": list(range(points))}
    if points == 1:
        pod.sql("CREATE TABLE agent.noise AS SELECT md5(n::text) FROM generate_series(1, 2000) AS n")
    done = pod.script("dump.sh.j2")
    said = (pod.scratch / "termination").read_text() if done.returncode else ""
    if not done.returncode:
        done = pod.run("backup")
        said = done.stderr
    assert done.returncode == 1
    assert "No space left on device" in said or "The backup volume is full" in said
    assert "Traceback" not in done.stderr
    assert [made["name"] for made in result(pod.run("list").stdout)["backups"]] == [kept]  # type: ignore[attr-defined]
    assert [path.name for path in (Path(pod.environment["BACKUP_ROOT"]) / "agents").iterdir()] == [kept]
    spoil(pod, qdrant, nats)
    assert pod.restore(kept).returncode == 0
    check(pod, qdrant, nats)
