"""How long the verbs take that only look: python -m tests.bench.verbs [--repeat 5].

Each as its make target calls it, on an embedded cluster of this program's own with the shipped catalogue deployed. Logs
and use are not among them: the pods of that cluster have none.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from . import measure, peers, report
from .cluster import BenchCluster, environment
from .inventory import ROOT, SHIPPED, write

NAMESPACE = "bench-verbs"
VERBS: dict[str, list[str]] = {
    "status": ["playbooks/status.yml"],
    "check-health": ["playbooks/check_health.yml"],
    "doctor": ["playbooks/doctor.yml"],
    "events": ["playbooks/events.yml"],
    "plan": ["playbooks/plan.yml"],
    "drift": ["playbooks/drift.yml"],
    "releases": ["playbooks/releases.yml"],
    "releases N=1": ["playbooks/releases.yml", "-e", "release=1"],
}


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="make bench-verbs", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="runs a verb, after one to warm up; default: 5")
    repeat = parser.parse_args().repeat
    pods = len(SHIPPED) * 2
    with (
        tempfile.TemporaryDirectory(prefix="platform-verbs-") as name,
        BenchCluster("bench-verbs", peers.find("kubectl"), pods, autoscale=False) as cluster,
    ):
        folder = Path(name)
        inventory = write(folder / "inventory", len(SHIPPED), NAMESPACE, {})
        variables = environment(cluster.kubeconfig, folder)
        _play(["site.yml"], inventory, variables)
        cluster.settle(NAMESPACE)
        variables = {**variables, "ANSIBLE_STDOUT_CALLBACK": "multi_agent.platform.screen"}
        times: dict[str, list[measure.Measured]] = {verb: [] for verb in VERBS}
        for number in range(repeat + 1):
            for verb, arguments in VERBS.items():
                done = _play(arguments, inventory, variables)
                if number:
                    times[verb].append(done)
    print("\n".join(["| verb | wall, median | min - max | CPU, median |", "|---|---:|---:|---:|"]))
    for verb, runs in times.items():
        walls = sorted(run.wall for run in runs)
        cpu = median(run.cpu for run in runs)
        print(f"| {verb} | {median(walls):.2f} s | {walls[0]:.2f} - {walls[-1]:.2f} s | {cpu:.2f} s |")
    print("\n" + "\n".join(f"- {what}: {value}" for what, value in report.machine().items()))
    return 0


def _play(arguments: list[str], inventory: Path, variables: Mapping[str, str]) -> measure.Measured:
    """Raises RuntimeError where it fails."""
    playbook, *extra = arguments
    ansible = str(Path(sys.executable).with_name("ansible-playbook"))
    done = measure.run([ansible, str(ROOT / playbook), "-i", str(inventory), *extra], variables, ROOT)
    if done.status:
        raise RuntimeError(f"{playbook}: exit status {done.status}\n{done.output[-3000:]}")
    return done


if __name__ == "__main__":
    sys.exit(main())
