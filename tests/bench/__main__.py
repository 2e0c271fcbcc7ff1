"""The benchmark: python -m tests.bench --help."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from . import peers, report
from .cluster import BenchCluster, environment
from .inventory import ROOT
from .manifests import render
from .peers import CHANGE, FRESH, NOOP, OPERATIONS, PLAN, READY, Tool
from .results import Results
from .rounds import Rounds

RESULTS = ROOT / ".artifacts" / "bench"
# A rollout may have a pod more than wanted, and the stores have theirs.
_PODS_A_SERVICE = 2
# Waiting is measured once: at the size of its goal, without a distance.
_READY_AT_MOST = 100


def main() -> int:
    """Run, print and save; 1 where this project failed in a cell."""
    options = _options()
    if options.join:
        _save(Results.joined([json.loads(file.read_text()) for file in options.join]))
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    tools = _tools(options)
    results = Results(report.machine(), {tool.name: tool.version() for tool in tools}, vars(options))
    folder = Path(tempfile.mkdtemp(prefix="platform-bench-"))
    try:
        for services in options.services:
            _measure(options, tools, services, folder / str(services), results)
    except KeyboardInterrupt:
        _say("stopped; what was measured is reported")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _save(results)
    return int(results.failed(tools[0].name))


def _save(results: Results) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    name = time.strftime("%Y%m%d-%H%M%S")
    text = report.markdown(results)
    (RESULTS / f"{name}.json").write_text(json.dumps(results.as_dict(), indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text(text)
    (RESULTS / f"{name}.svg").write_text(report.plot(results))
    print(text)
    _say(f"saved as {RESULTS / name}.json, .md and .svg")


def _measure(options: argparse.Namespace, tools: list[Tool], services: int, folder: Path, results: Results) -> None:
    """All cells of one size, on clusters of their own."""
    kubectl = peers.find("kubectl")
    steady = [operation for operation in options.only if operation != READY]
    for operations, autoscale, latencies in (
        (steady, False, options.latency),
        ([READY] if READY in options.only and services <= _READY_AT_MOST else [], True, [0.0]),
    ):
        taking_part = [tool for tool in tools if any(tool.takes_part(operation, services) for operation in operations)]
        if not taking_part:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        _say(f"{services} services: rendering, and making a cluster")
        rendered = render(folder / "project", services, tools[0].namespace, environment(Path(), folder))
        prepared = {
            tool.namespace: [one.for_namespace(tool.namespace, folder) for one in rendered] for tool in taking_part
        }
        pods = services * len(prepared) * _PODS_A_SERVICE
        with BenchCluster(
            f"bench-{services}{'-ready' if autoscale else ''}", kubectl, pods, autoscale=autoscale
        ) as cluster:
            for latency in latencies:
                with cluster.at_distance(latency, folder) as kubeconfig:
                    rounds = Rounds(
                        cluster, environment(kubeconfig, folder), services, latency, prepared, results, _say
                    )
                    for operation in operations:
                        members = [tool for tool in taking_part if tool.takes_part(operation, services)]
                        rounds.run(operation, members, options.repeat)


def _tools(options: argparse.Namespace) -> list[Tool]:
    chosen = []
    for tool in peers.every(peers.find("kubectl")):
        wanted = (
            isinstance(tool, peers.Project) or not options.tools or any(part in tool.name for part in options.tools)
        )
        if not wanted:
            continue
        if missing := tool.missing():
            _say(f"skipped: {tool.name}: this machine has no {missing}")
        else:
            chosen.append(tool)
    return chosen


def _options() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    def words(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(prog="make bench", description="Compares this project with what it replaces.")
    parser.add_argument("--services", type=numbers, default=[8, 100, 700], help="sizes; default: 8,100,700")
    parser.add_argument(
        "--latency", type=lambda text: [float(part) for part in text.split(",")], default=[0.0, 20.0],
        help="round trips to add, in milliseconds; default: 0,20",
    )  # fmt: skip
    parser.add_argument("--only", type=words, default=list(OPERATIONS), help=f"of {','.join(OPERATIONS)}; default: all")
    parser.add_argument("--tools", type=words, default=[], help="parts of names of peers, e.g. helm,diff; default: all")
    parser.add_argument("--repeat", type=int, default=5, help="runs a cell, after one to warm up; default: 5")
    parser.add_argument("--join", type=Path, nargs="+", help="measure nothing; one report of earlier results")
    options = parser.parse_args()
    if unknown := set(options.only) - OPERATIONS.keys():
        parser.error(f"--only {', '.join(sorted(unknown))}: use {', '.join(OPERATIONS)}")
    options.only = [operation for operation in (FRESH, NOOP, CHANGE, PLAN, READY) if operation in options.only]
    return options


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
