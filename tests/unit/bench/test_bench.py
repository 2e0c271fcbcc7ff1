"""What the benchmark computes without a cluster."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import ansible
import jinja2
import pytest
import yaml

from tests.bench import inventory, manifests, measure, profile, report
from tests.bench.delay import DelayingProxy
from tests.bench.goals import GOALS, Goal
from tests.bench.manifests import Rendered
from tests.bench.peers import CHANGE, NOOP, Helm, Kubectl, Project
from tests.bench.results import Cell, Results


def test_catalogue_has_the_size_that_was_asked_for_and_no_dangling_call() -> None:
    for count in (8, 9, 100, 700):
        services = inventory.services(count)
        assert len(services) == count
        assert inventory.changed_service(count) in services
        for name, entry in services.items():
            assert set(entry.get("calls", [])) <= services.keys() - {name}
        ports = [entry["port"] for entry in services.values() if entry.get("tier", "services") == "services"]
        assert len(set(ports)) == len(ports)


def test_fewer_services_than_shipped_are_refused() -> None:
    with pytest.raises(ValueError, match="7 services"):
        inventory.services(7)


def test_peers_get_the_same_manifests_in_their_namespace(tmp_path: Path) -> None:
    policy: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "bench-project"},
    }
    policy["data"] = {"host": "postgres.bench-project.svc", "script": "{{ not helm }}"}
    prepared = Rendered("one", tmp_path, "bench-project", [policy]).for_namespace("bench-helm", tmp_path)
    loaded = yaml.safe_load(prepared.file.read_text())
    assert loaded["metadata"]["namespace"] == "bench-helm"
    assert loaded["data"]["host"] == "postgres.bench-helm.svc"
    assert loaded["data"]["script"] == "{{ not helm }}"
    template = (prepared.chart / "templates" / "configmap-a.yaml").read_text()
    assert '{{ "{{" }} not helm }}' in template


def test_secrets_are_sent_as_the_engine_sends_them(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "secret-a.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {key: value}\n"
    )
    (tmp_path / "namespace").mkdir()
    (tmp_path / "namespace" / "z.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: z}\n")
    namespace, secret = manifests._read(tmp_path)
    assert namespace["kind"] == "Namespace"
    assert secret["data"] == {"key": "dmFsdWU="}
    assert "stringData" not in secret


def _results() -> Results:
    def cell(operation: str, tool: str, *wall: float, **more: object) -> Cell:
        return Cell(100, 0.0, operation, tool, 690, list(wall), list(wall), **more)  # type: ignore[arg-type]

    return Results(
        {"cores": "2"},
        {},
        {"repeat": 3},
        [
            cell(NOOP, Project.name, 3.0, 1.0, 2.0, memory=1 << 20),
            cell(NOOP, Kubectl.name, 4.0, 4.0, 90.0),
            cell(NOOP, Helm.name, error="touched | nothing"),
            cell(CHANGE, Project.name, 2.5),
        ],
    )


def test_goals_are_ratios_of_medians_and_only_of_what_was_measured() -> None:
    measured = {goal.text: goal.measured(_results()) for goal in GOALS}
    known = {text: value for text, value in measured.items() if value is not None}
    assert sorted(known.values()) == [0.5, 1.25]
    text = report.markdown(_results())
    assert "| 0.50 x | missed by 25% |" in text
    assert "| 1.25 x | missed by 14% |" in text
    assert "failed: touched / nothing" in text


def test_goal_of_another_distance_is_not_mixed_up() -> None:
    assert Goal(100, NOOP, Kubectl.name, 0.4, latency=20.0).measured(_results()) is None


def test_results_of_several_runs_are_joined_and_the_later_of_two_counts() -> None:
    first, second = _results(), Results({"cores": "2"}, {"helm": "v4"}, {"repeat": 3})
    second.cells = [
        Cell(100, 0.0, NOOP, Project.name, 690, [7.0], [7.0], load=[12.0, 3.0]),
        Cell(8, 0.0, NOOP, Project.name, 95, [1.0], [1.0]),
        Cell(100, 0.0, NOOP, "one more tool", 690, [9.0], [9.0]),
    ]
    joined = Results.joined([first.as_dict(), second.as_dict()])
    found = joined.find(100, 0.0, NOOP, Project.name)
    assert found is not None
    assert found.seconds == 7.0
    assert joined.find(100, 0.0, CHANGE, Project.name) is not None
    assert joined.cells[0].services == 8
    text = report.markdown(joined)
    assert "Load average of the machine meanwhile: 3 to 12." in text
    assert text.count("## 100 services (690 objects), loopback: no change") == 1  # with the tool that came later


def test_plot_shows_every_tool_that_has_a_time() -> None:
    svg = report.plot(_results())
    assert svg.count("<rect") == 1 + 3  # the background and three bars
    assert Helm.name not in svg


def test_measure_sees_time_status_output_and_memory_of_children() -> None:
    child = "x = bytearray(80 << 20); import time; time.sleep(.5)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{child}'])"
    done = measure.run([sys.executable, "-c", f"{code}; print('said'); sys.exit(3)"], {}, Path.cwd(), memory=True)
    assert done.status == 3
    assert done.output == "said\n"
    assert done.wall >= 0.5
    assert done.memory > 80 << 20


def test_proxy_adds_a_round_trip_and_keeps_order() -> None:
    async def scenario() -> tuple[bytes, float, float]:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(1 << 16):
                writer.write(data)
            writer.close()

        far = await asyncio.start_server(echo, "127.0.0.1", 0)
        near = await DelayingProxy(far.sockets[0].getsockname(), 0.1).start()
        clock = asyncio.get_running_loop().time
        reader, writer = await asyncio.open_connection(*near.sockets[0].getsockname())
        times = []
        for text in (b"a", b"b"):
            started = clock()
            writer.write(text)
            await reader.readexactly(1)
            times.append(clock() - started)
        message = bytes(range(256)) * 4096
        writer.write(message)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer if answer != message else b"", times[0], times[1]

    wrong, first, second = asyncio.run(scenario())
    assert not wrong
    assert first >= 0.2  # the handshake's round trip, and the request's own
    assert 0.1 <= second < first


def test_every_rule_of_the_profile_names_code_that_exists() -> None:
    folders = [inventory.ROOT / "plugins", *(Path(module.__path__[0]) for module in (ansible, jinja2, multiprocessing))]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    for part, function, what in profile.RULES:
        texts = (file.read_text() for file in files if part in str(file))
        assert any(f"def {function}" in text for text in texts), (part, function, what)


def test_profile_counts_all_processes_and_adds_up() -> None:
    def sample(process: int, seconds: float, file: str, function: str = "f") -> dict[str, Any]:
        return {"process": process, "seconds": seconds, "task": "", "stacks": [[[file, function]]]}

    waiting = sample(1, 1.0, "ansible/plugins/strategy/__init__.py", "_wait_on_pending_results")
    requests, tls = (sample(2, 0.4, "engine/transport.py", name) for name in ("request", "ssl_context"))
    table = profile._table(8, [sample(1, 3.0, "ansible/vars/manager.py"), waiting, requests, tls])
    assert table.startswith("8 services, no change: 4.00 s\n")
    for row in (
        "| TLS context | 0.40 | 10% |",
        "| requests to the API server | 0.40 | 10% |",
        "| starting and ending task processes | 0.20 | 5% |",
        "| all | 4.00 | 100% |",
    ):
        assert row in table
