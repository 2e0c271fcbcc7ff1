"""Where a no-change run spends its time: python -m tests.bench.profile [--services 8,100].

Runs the site under ``sampler``, in which every process of the run says each millisecond where it is, and sums that up.
A process of its own is forked for each task while the main one waits, so the main process's waiting is not counted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from . import measure, peers
from .cluster import BenchCluster, environment
from .inventory import ROOT, change, write
from .sampler import SAMPLES, STARTED

NAMESPACE = "bench-profile"
OTHER = "the rest"
WAITING = "waiting for the task's process"

# (part of the file's path, function or "" for any) -> what that is. The innermost frame that a rule knows decides, so
# libraries count for who calls them.
RULES: tuple[tuple[str, str, str], ...] = (
    ("plugins/strategy/", "_wait_on_pending_results", WAITING),
    ("engine/transport.py", "ssl_context", "TLS context"),
    ("engine/transport.py", "", "requests to the API server"),
    ("engine/cluster.py", "", "requests to the API server"),
    ("engine/config.py", "", "kubeconfig"),
    ("jinja2/environment.py", "compile", "templates: compiling"),
    ("jinja2/environment.py", "from_string", "Ansible's templating of variables"),
    ("engine/render.py", "", "templates: rendering"),
    ("engine/yamltext.py", "", "YAML to objects"),
    ("engine/manifests.py", "parse", "YAML to objects"),
    ("engine/manifests.py", "flatten_mapping", "YAML to objects"),
    ("engine/manifests.py", "", "checking objects"),
    ("engine/compare.py", "", "comparing"),
    ("engine/ownership.py", "", "comparing"),
    ("engine/", "", "engine, otherwise"),
    ("module_utils/ansible/", "", "argument specs and casts"),
    ("module_utils/platform/", "", "catalogue"),
    ("plugins/filter/catalogue.py", "", "catalogue"),
    ("ansible/_internal/_templating/", "", "Ansible's templating of variables"),
    ("ansible/template/", "", "Ansible's templating of variables"),
    ("ansible/vars/", "", "Ansible's collecting of variables"),
    ("ansible/inventory/", "", "inventory"),
    ("ansible/plugins/inventory/", "", "inventory"),
    ("ansible/plugins/loader.py", "", "Ansible's search for plugins"),
    ("ansible/playbook/", "post_validate", "Ansible's checks of a task's options"),
    ("ansible/playbook/", "", "playbook and roles"),
    ("ansible/plugins/callback/", "", "output"),
    ("ansible/utils/display.py", "", "output"),
    ("action/validate_argument_spec.py", "", "Ansible's checks of role arguments"),
    ("plugins/action/", "", "actions, otherwise"),
    ("multiprocessing/popen_fork.py", "", "forks"),
    ("ansible/executor/", "", "Ansible's executor"),
    ("ansible/plugins/strategy/", "", "Ansible's executor"),
)
_IDLE = ("threading.py", "concurrent/futures/")
_COLLECTION = "multi_agent/platform"


def main() -> int:
    """Print a table a size."""
    parser = argparse.ArgumentParser(prog="make profile", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--services", default="8,100", help="sizes; default: 8,100")
    sizes = [int(part) for part in parser.parse_args().services.split(",")]
    with tempfile.TemporaryDirectory(prefix="platform-profile-") as name:
        folder = Path(name)
        for services in sizes:
            with BenchCluster(f"profile-{services}", peers.find("kubectl"), services * 2, autoscale=False) as cluster:
                print(_table(services, _samples(services, cluster, folder / str(services))), flush=True)
    return 0


def _samples(services: int, cluster: BenchCluster, folder: Path) -> list[dict[str, Any]]:
    """Samples of a no-change run, after two that bring everything to rest. Raises RuntimeError where a run fails."""
    inventory = write(folder / "inventory", services, NAMESPACE, change(services, "one"))
    site = [str(ROOT / "site.yml"), "-i", str(inventory)]
    variables = dict(environment(cluster.kubeconfig, folder))
    for _ in range(2):
        done = measure.run([str(Path(sys.executable).with_name("ansible-playbook")), *site], variables, ROOT)
        if done.status:
            raise RuntimeError(done.output[-3000:])
        cluster.settle(NAMESPACE)
    file = folder / "samples"
    variables |= {SAMPLES: str(file), STARTED: str(time.time())}
    done = measure.run([sys.executable, "-m", "tests.bench.sampler", *site], variables, ROOT)
    if done.status or "changed=0 " not in done.output:
        raise RuntimeError(f"not a run without change:\n{done.output[-3000:]}")
    return [json.loads(line) for line in file.read_text().splitlines()]


def _table(services: int, samples: list[dict[str, Any]]) -> str:
    main_process = samples[0]["process"]
    total = sum(sample["seconds"] for sample in samples if sample["process"] == main_process)
    work: Counter[str] = Counter()
    tasks: Counter[str] = Counter()
    for sample in samples:
        work[_classify(sample["stacks"])] += sample["seconds"]
        if sample["task"]:
            tasks[sample["task"]] += sample["seconds"]
    in_tasks = sum(sample["seconds"] for sample in samples if sample["process"] != main_process)
    work["starting and ending task processes"] = max(0.0, work.pop(WAITING, 0.0) - in_tasks)
    lines = [f"{services} services, no change: {total:.2f} s", "", "| work | seconds | share |", "|---|---:|---:|"]
    lines += [f"| {name} | {seconds:.2f} | {seconds / total:.0%} |" for name, seconds in work.most_common()]
    lines.append(f"| all | {work.total():.2f} | {work.total() / total:.0%} |")
    lines += ["", "| task | seconds |", "|---|---:|"]
    lines += [f"| {name} | {seconds:.2f} |" for name, seconds in tasks.most_common()]
    return "\n".join(lines) + "\n"


def _classify(stacks: list[list[list[str]]]) -> str:
    """The main thread decides, unless it waits for others of its process."""
    for stack in stacks[:1]:
        if stack and not any(part in stack[0][0] for part in _IDLE):
            return _of(stack)
    for stack in stacks[1:]:
        # What works in the engine's threads; Ansible's own wait for the main one.
        if any(_COLLECTION in file for file, _ in stack) and not any(part in stack[0][0] for part in _IDLE):
            return _of(stack)
    return _of(stacks[0]) if stacks else OTHER


def _of(stack: Iterable[list[str]]) -> str:
    frames = list(stack)
    if any("importlib" in file and name == "_find_and_load" for file, name in frames):
        return "imports" + (" of this project" if any(_COLLECTION in file for file, _ in frames) else " of Ansible")
    for file, name in frames:
        for part, function, what in RULES:
            if part in file and function in ("", name):
                return what
    return OTHER


if __name__ == "__main__":
    sys.exit(main())
