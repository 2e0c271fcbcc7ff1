"""The embedded cluster: a real API server, controllers and scheduler as plain processes; kwok plays nodes and volumes.

kwokctl starts the processes (its "binary" runtime). It needs neither root nor a container engine, and takes seconds.
"""

import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from .errors import ClusterError
from .kubeconfig import single_context, write_private
from .paths import ClusterPaths
from .processes import Process, end_processes_below, end_processes_of, processes_below
from .programs import ensure_programs
from .progress import Progress
from .recipe import Versions
from .state import State, is_complete, read_state

_MANIFESTS = Path(__file__).parent / "manifests"
_NODES = 5
_ZONES = ("a", "b", "c")
_READY_SECONDS = 60
_ATTEMPTS = 3
"""A port that was free when it was chosen may be taken when it is used: then all is tried again with others."""

_COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller")
"""The processes of a cluster, as kwokctl names them."""

_PROGRAM_NAMES = {"kwok-controller": "kwok"}
"""The program of a component, where it is not called like the component."""

_PORTS = range(20_000, 30_000)
"""Below what Linux and macOS take for outgoing connections, so that a stopped cluster finds its ports free again."""


class _ComponentEnded(ClusterError):
    """A program of the cluster ended by itself."""


class Embedded:
    name = "embedded"

    def create(self, paths: ClusterPaths, progress: Progress) -> None:
        programs = ensure_programs(progress)
        if self.running(paths):
            progress.say(f"Cluster {paths.name} is running")
            return
        state = read_state(paths)
        if state is None or not state.complete:
            self._make(paths, programs, progress)
        elif state.home != str(paths.home):
            raise ClusterError(
                f"cluster {paths.name} was made in {state.home} and cannot run from {paths.home}: "
                f"delete it (make down CLUSTER_NAME={paths.name}) and make it again"
            )
        else:
            self._start(paths, programs, progress)

    def running(self, paths: ClusterPaths) -> bool:
        return (
            is_complete(paths)
            and len(processes_below(paths.runtime)) >= len(_COMPONENTS)
            and _kubectl(paths, "get", "--raw", "/readyz", check=False).returncode == 0
        )

    def delete(self, paths: ClusterPaths, progress: Progress) -> None:
        progress.say(f"Stopping cluster {paths.name}")
        end_processes_below(paths.runtime)

    def _make(self, paths: ClusterPaths, programs: Path, progress: Progress) -> None:
        """From nothing, or from whatever a killed run left."""
        started = time.monotonic()
        for attempt in range(1, _ATTEMPTS + 1):
            end_processes_below(paths.runtime)
            paths.clear()
            State.write(self.name, paths, complete=False)
            try:
                _kwokctl(paths, programs, "create", "cluster", *_create_arguments(paths, programs))
                self._finish(paths, programs)
                break
            except _ComponentEnded:
                if attempt == _ATTEMPTS:
                    raise
                progress.say(
                    f"Cluster {paths.name} did not start ({attempt} of {_ATTEMPTS}): trying again with other ports"
                )
        progress.say(f"Cluster {paths.name} is ready after {time.monotonic() - started:.1f} s")

    def _finish(self, paths: ClusterPaths, programs: Path) -> None:
        """Nodes, storage and the kubeconfig."""
        _link(paths, programs)
        context = f"embedded-{paths.name}"
        write_private(paths.kubeconfig, single_context(paths.runtime / "kubeconfig.yaml", None, context))
        objects = [*_nodes(), *yaml.safe_load_all((_MANIFESTS / "storage.yaml").read_text())]
        _wait_until_answers(paths)
        _kubectl(paths, "apply", "--filename", "-", objects=objects)
        _wait_until_ready(paths)
        State.write(self.name, paths, complete=True)

    def _start(self, paths: ClusterPaths, programs: Path, progress: Progress) -> None:
        """Go on with the data of a cluster whose processes are gone (reboot, kill), all of them or some."""
        progress.say(f"Cluster {paths.name} is stopped: starting it with its data")
        end_processes_below(paths.runtime)
        _forget_pids(paths)
        _link(paths, programs)
        _kwokctl(paths, programs, "start", "cluster", "--name", paths.name)
        _wait_until_answers(paths)
        # The former kwok's leases hold for minutes, and a kwok that finds them leaves nodes and pods alone so long.
        end_processes_of(paths.runtime / "bin" / "kwok-controller")
        _forget_pids(paths, "kwok-controller")
        _kubectl(paths, "delete", "leases", "--all", "--namespace", "kube-node-lease")
        _kwokctl(paths, programs, "start", "cluster", "--name", paths.name)
        _wait_until_ready(paths)
        progress.say(f"Cluster {paths.name} is ready")


def _forget_pids(paths: ClusterPaths, component: str = "*") -> None:
    """Remove the pid files: kwokctl would take a stranger with an old pid, or a process not yet reaped, for its own."""
    for file in (paths.runtime / "pids").glob(f"{component}.pid"):
        file.unlink()


def _create_arguments(paths: ClusterPaths, programs: Path) -> list[str]:
    """kwokctl's arguments; what has no flag is in a configuration file."""
    ports = _free_ports(6)
    options = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {
            "bindAddress": "127.0.0.1",  # the default shows etcd, which asks for no password, to the whole network
            "kubectlBinary": str(programs / "kubectl"),
            "kubeVersion": Versions.read().kubernetes,
            **dict(
                zip(
                    (
                        "etcdPort",
                        "etcdPeerPort",
                        "kubeApiserverPort",
                        "kubeControllerManagerPort",
                        "kubeSchedulerPort",
                        "kwokControllerPort",
                    ),
                    ports,
                    strict=True,
                )
            ),
        },
        "componentsPatches": [
            {
                "name": "kube-controller-manager",
                # An autoscaler brings a Deployment to its minimum at its first look, 15 seconds away by default.
                "extraArgs": [{"key": "horizontal-pod-autoscaler-sync-period", "value": "3s"}],
            }
        ],
    }
    configuration = paths.home / "kwokctl.yaml"
    write_private(configuration, yaml.safe_dump(options))
    return [
        *("--name", paths.name, "--runtime", "binary", "--kubeconfig", ""),
        *("--config", str(configuration), "--config", str(_MANIFESTS / "stages.yaml")),
        *(
            part
            for name in _COMPONENTS
            for part in (f"--{name}-binary", str(programs / _PROGRAM_NAMES.get(name, name)))
        ),
    ]


def _kwokctl(paths: ClusterPaths, programs: Path, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KWOK_")}
    environment |= {"KWOK_WORKDIR": str(paths.kwok), "KUBECACHEDIR": str(paths.home / "kubectl")}
    command = [str(programs / "kwokctl"), *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise ClusterError(
            f"kwokctl {' '.join(arguments[:2])} failed for cluster {paths.name}:\n{_last_words(done.stderr)}"
        )


def _last_words(log: str) -> str:
    """The messages of kwokctl's JSON log, the last ones."""
    lines = []
    for line in log.splitlines()[-8:]:
        try:
            record = json.loads(line)
        except ValueError:
            record = {}
        lines.append(f"  {record.get('msg', line)} {record.get('err', '')}".rstrip())
    return "\n".join(lines)


def _kubectl(
    paths: ClusterPaths, *arguments: str, objects: list[dict[str, Any]] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    command = [str(paths.runtime / "bin" / "kubectl"), "--kubeconfig", str(paths.kubeconfig), *arguments]
    environment = os.environ | {"KUBECACHEDIR": str(paths.home / "kubectl")}
    text = yaml.safe_dump_all(objects) if objects else None
    try:
        done = subprocess.run(
            command, input=text, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        done = subprocess.CompletedProcess(command, 1, "", str(error))
    if check and done.returncode != 0:
        raise ClusterError(f"kubectl {' '.join(arguments[:2])} failed on cluster {paths.name}: {done.stderr.strip()}")
    return done


def _wait_until_answers(paths: ClusterPaths) -> None:
    def obstacle() -> str:
        answer = _kubectl(paths, "get", "--raw", "/readyz", check=False)
        return "" if answer.returncode == 0 else f"its API server does not answer: {answer.stderr.strip()}"

    _wait(paths, obstacle)


def _wait_until_ready(paths: ClusterPaths) -> None:
    """Nodes take pods, and namespaces get what pods need: the default ServiceAccount."""

    def obstacle() -> str:
        if _kubectl(paths, "get", "serviceaccount", "default", "--namespace", "default", check=False).returncode != 0:
            return "namespaces get no default ServiceAccount"
        nodes = json.loads(_kubectl(paths, "get", "nodes", "--output", "json").stdout)["items"]
        leases = json.loads(
            _kubectl(paths, "get", "leases", "--namespace", "kube-node-lease", "--output", "json").stdout
        )
        kept = {lease["metadata"]["name"] for lease in leases["items"]}
        waiting = [name for node in nodes if (name := node["metadata"]["name"]) not in kept or not _takes_pods(node)]
        return f"its nodes take no pods: {', '.join(waiting)}" if waiting else ""

    _wait(paths, obstacle)


def _takes_pods(node: dict[str, Any]) -> bool:
    conditions = {condition["type"]: condition["status"] for condition in node["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")


def _wait(paths: ClusterPaths, obstacle: Callable[[], str]) -> None:
    """Wait until nothing is in the way, at most `_READY_SECONDS`; a component that ends is final at once."""
    deadline = time.monotonic() + _READY_SECONDS
    while problem := obstacle():
        running = processes_below(paths.runtime)
        if len(running) < len(_COMPONENTS):
            raise _ComponentEnded(f"cluster {paths.name}: a component ended\n{_component_logs(paths, running)}")
        if time.monotonic() > deadline:
            raise ClusterError(f"cluster {paths.name}: {problem}\nThe components' logs are in {paths.runtime / 'logs'}")
        time.sleep(0.2)


def _component_logs(paths: ClusterPaths, running: list[Process]) -> str:
    """The last line of each component that is not running."""
    logs = sorted((paths.runtime / "logs").glob("*.log"))
    ended = [
        log
        for log in logs
        if not any(process.command.startswith(f"{paths.runtime}/bin/{log.stem} ") for process in running)
    ]
    return "\n".join(f"  {log}: {(log.read_text(errors='replace').splitlines() or ['(empty)'])[-1]}" for log in ended)


def _link(paths: ClusterPaths, programs: Path) -> None:
    """Point the cluster at the current programs: the ones that it was made with may have left the cache."""
    for name in (*_COMPONENTS, "kubectl"):
        link = paths.runtime / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(programs / _PROGRAM_NAMES.get(name, name))


def _free_ports(count: int) -> list[int]:
    ports: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise ClusterError(f"no {count} free TCP ports between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1")


def _nodes() -> list[dict[str, Any]]:
    return [_node(number, _ZONES[number % len(_ZONES)]) for number in range(_NODES)]


def _node(number: int, zone: str) -> dict[str, Any]:
    name = f"node-{number}"
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": "kwok",
        "topology.kubernetes.io/region": "local",
        "topology.kubernetes.io/zone": f"local-{zone}",
    }
    annotations = {
        "alpha.kubernetes.io/provided-node-ip": f"10.250.0.{number + 10}"
    }  # as a kubelet with --node-ip does
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
    }
