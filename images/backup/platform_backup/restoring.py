"""A restore in three containers: prepare (checks, an empty database), load (pg_restore), restore (swap, other stores).

What can be refused is refused in the first, when nothing has been written. A restore that was interrupted is begun
again from the start: the live database is untouched until the swap, and the other stores are replaced as a whole.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from . import manifest, postgres, store
from .errors import BackupError, of_volume
from .jetstream import Streams
from .patience import until_reached
from .postgres import Database
from .qdrant import Vectors, drilled, on_one_node
from .report import result, say, size
from .settings import Settings

_PLAN = "plan.json"
INSPECT = "inspect"


def prepare(settings: Settings) -> None:
    """Choose, check and fetch the backup; say what is live; make the database to load into. Raises BackupError."""
    begin = time.time()
    parts = settings.parts
    source = store.find(settings)
    name = store.choose(source, settings.text("FROM"))
    made = manifest.parse(source.manifest(name), name)
    manifest.of_platform(made, settings.platform)
    wanted = [file for file in made.files if file.partition("/")[0] in parts]
    try:
        folder = source.fetch(name, wanted, settings.work / "backup")
        number = manifest.verify(made, folder, parts)
    except OSError as error:
        raise of_volume(error, f"backup {name}") from error
    say(f"Backup {name} is sound: {number} files of {', '.join(parts)}, {size(made.size)} in all.")
    database, vectors, streams = Database(settings), Vectors(settings), Streams(settings)
    asks = {"postgres": database.reach, "qdrant": vectors.version, "nats": streams.live_messages}
    until_reached(settings, *(asks[part] for part in parts))
    if "postgres" in parts:
        database.check_version(made.parts["postgres"]["version"])
    if "qdrant" in parts and not _is_drill(settings):
        vectors.check_nodes(made.parts["qdrant"])
    if "nats" in parts and not _is_drill(settings):
        streams.check_servers(made.parts["nats"])
    live = {"postgres": database.live_rows, "qdrant": vectors.live_points, "nats": streams.live_messages}
    plan = {
        "name": name,
        "parts": list(parts),
        "folder": str(folder),
        "begin": begin,
        "backup": made.summary(),
        "live": {part: live[part]() for part in parts},
    }
    (settings.work / _PLAN).write_text(json.dumps(plan))
    loads = "postgres" in parts and settings.text("MODE", "") != INSPECT
    if loads:
        database.prepare(folder / postgres.ROLES)
    # For the container that loads, which knows no JSON.
    load = f"DUMP='{folder / postgres.DUMP}'\nGROWING='{database.growing}'\n" if loads else ""
    (settings.work / "load.env").write_text(load)


def finish(settings: Settings) -> dict[str, Any]:
    """Swap the loaded database in and restore the other parts; what was done. Raises BackupError."""
    plan = json.loads((settings.work / _PLAN).read_text())
    if settings.text("MODE", "") == INSPECT:
        return {"inspected": plan}
    folder, parts = Path(plan["folder"]), plan["parts"]
    made = _manifest(settings, plan["name"])
    gone: dict[str, list[str]] = {}
    if "postgres" in parts:
        database = Database(settings)
        rows = made.parts["postgres"]["rows"]
        database.check_grown(rows)
        database.swap()
        say(f"Postgres: {sum(rows.values())} rows in {len(rows)} tables, each counted; the database was swapped in.")
    if "qdrant" in parts:
        saved = _collections(settings, made)
        gone["qdrant"] = Vectors(settings).restore(folder, saved)
        say(f"Qdrant: {made.counts()['points']} points in {len(saved['collections'])} collections, counted.")
    if "nats" in parts:
        gone["nats"] = Streams(settings).restore(folder, made.parts["nats"], alone=_is_drill(settings))
        say(f"NATS: {made.counts()['messages']} messages in {len(made.parts['nats']['streams'])} streams.")
    for part, names in gone.items():
        if names:
            say(f"{part}: {', '.join(names)} went, as the backup has none of that name.")
    seconds = round(time.time() - plan["begin"], 1)
    return {"restored": plan["name"], "parts": parts, "gone": gone, "seconds": seconds, "backup": made.summary()}


def restore(settings: Settings) -> None:
    """The last container of a restore."""
    result(finish(settings))


def drill(settings: Settings) -> None:
    """The last container of a drill: the same, and then what was restored is compared once more, content included.

    Raises BackupError where anything differs.
    """
    done = finish(settings)
    made = _manifest(settings, done["restored"])
    saved = made.parts
    again = postgres.read_content(settings.work / "content.txt")
    checks = {
        "checksum of every file": True,  # prepare has refused any other
        "rows of every table": Database(settings).is_as_saved(saved["postgres"]["rows"]),
        "checksum of the database's content": again["content_sha256"] == saved["postgres"]["content_sha256"],
        "points of every collection": drilled(Vectors(settings).live_points(), saved["qdrant"]),
        "messages of every stream": Streams(settings).are_as_saved(saved["nats"]),
    }
    for name, passed in checks.items():
        say(f"{'ok' if passed else 'DIFFERS':8} {name}")
    result(
        {
            "drill": made.name,
            "checks": checks,
            "backup": made.summary(),
            "rpo_seconds": int((datetime.now(UTC) - made.begin).total_seconds()),
            "longest_gap_seconds": _longest_gap(store.find(settings).names()),
            "rto_seconds": done["seconds"],
        }
    )
    differing = [name for name, passed in checks.items() if not passed]
    if differing:
        raise BackupError(
            f"The restore of backup {made.name} differs from it: {', '.join(differing)}.",
            "Look into it before you need that backup; make another one and try it out: make backup restore-drill.",
        )


def _is_drill(settings: Settings) -> bool:
    """Whether the stores are a drill's own: one server each, whatever the platform has."""
    return settings.text("DRILL", "") == "true"


def _manifest(settings: Settings, name: str) -> manifest.Manifest:
    return manifest.parse(store.find(settings).manifest(name), name)


def _collections(settings: Settings, made: manifest.Manifest) -> dict[str, Any]:
    """What to restore in Qdrant: as it was saved, or for the single node of a drill."""
    saved = made.parts["qdrant"]
    return on_one_node(saved) if _is_drill(settings) else saved


def _longest_gap(names: list[str]) -> int:
    """Seconds between the two neighbours that are furthest apart: what would have been lost at most, so far."""
    moments = [moment for name in names if (moment := manifest.moment(name))]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    return int(max(gaps, default=0))
