"""The command line: python -m tools.cluster create|kubeconfig|delete|list."""

import argparse
import os
import shutil
import signal
import sys
from contextlib import AbstractContextManager, suppress
from types import FrameType

from .embedded import Embedded
from .errors import ClusterError
from .existing import Existing
from .kind import Kind
from .locks import folder_lock
from .paths import ROOT, ClusterPaths
from .programs import ensure_programs
from .progress import Progress
from .provider import Provider
from .state import is_complete, read_state

_PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (Embedded(), Kind(), Existing())}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        options.run(options)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.cluster", description="Provides a Kubernetes cluster to work against."
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb, run, text in (
        ("create", _create, "make the cluster, or start it again, and print its kubeconfig"),
        ("kubeconfig", _kubeconfig, "print the path of the cluster's kubeconfig"),
        ("delete", _delete, "remove the cluster with all its data"),
    ):
        command = verbs.add_parser(verb, help=text, description=text)
        command.add_argument(
            "--name", default=os.environ.get("CLUSTER_NAME") or "local", help="default: $CLUSTER_NAME or local"
        )
        command.add_argument(
            "--provider",
            choices=_PROVIDERS,
            default=os.environ.get("CLUSTER_PROVIDER"),
            help="default: $CLUSTER_PROVIDER, else what the cluster was made with, else embedded",
        )
        command.set_defaults(run=run)
        if run is _delete:
            command.add_argument("--all", action="store_true", help="every cluster of this checkout")
    verbs.add_parser("list", help="show the clusters of this checkout").set_defaults(run=_list)
    verbs.add_parser("programs", help="provide the embedded cluster's programs and print their folder").set_defaults(
        run=_programs
    )
    return parser


def _create(options: argparse.Namespace) -> None:
    paths = ClusterPaths(options.name)
    progress = Progress()
    with _alone(paths, progress):
        _provider(options, paths).create(paths, progress)
    print(paths.kubeconfig)


def _kubeconfig(options: argparse.Namespace) -> None:
    paths = ClusterPaths(options.name)
    if not is_complete(paths):
        raise ClusterError(f"there is no cluster {paths.name}: make it (make cluster CLUSTER_NAME={paths.name})")
    print(paths.kubeconfig)


def _delete(options: argparse.Namespace) -> None:
    names = _names() if options.all else [options.name]
    for name in names:
        _delete_one(ClusterPaths(name), options)


def _delete_one(paths: ClusterPaths, options: argparse.Namespace) -> None:
    progress = Progress()
    if not paths.home.exists():
        progress.say(f"There is no cluster {paths.name}")
        return
    with _alone(paths, progress):
        _provider(options, paths).delete(paths, progress)
        shutil.rmtree(paths.home)
    with suppress(OSError):
        paths.clusters.rmdir()  # not empty while other clusters are there
    progress.say(f"Cluster {paths.name} is gone")


def _names() -> list[str]:
    folder = ROOT / ".cluster"
    return sorted(home.name for home in folder.iterdir()) if folder.exists() else []


def _list(_: argparse.Namespace) -> None:
    print(f"{'NAME':<20} {'PROVIDER':<10} {'RUNNING':<8} KUBECONFIG")
    for name in _names():
        paths = ClusterPaths(name)
        state = read_state(paths)
        if state:
            running = "yes" if _PROVIDERS[state.provider].running(paths) else "no"
            print(f"{paths.name:<20} {state.provider:<10} {running:<8} {paths.kubeconfig}")


def _programs(_: argparse.Namespace) -> None:
    print(ensure_programs(Progress()))


def _alone(paths: ClusterPaths, progress: Progress) -> AbstractContextManager[None]:
    return folder_lock(
        paths.home, lambda: progress.say(f"Another process works on cluster {paths.name}: waiting for it")
    )


def _provider(options: argparse.Namespace, paths: ClusterPaths) -> Provider:
    """The provider that was asked for, which a cluster that exists cannot change."""
    state = read_state(paths)
    if state and not getattr(options, "all", False) and options.provider and options.provider != state.provider:
        raise ClusterError(
            f"cluster {paths.name} was made with provider {state.provider}, not {options.provider}: "
            f"use another CLUSTER_NAME, or delete it first (make down CLUSTER_NAME={paths.name} "
            f"CLUSTER_PROVIDER={state.provider})"
        )
    name = (state.provider if state else None) or options.provider or "embedded"
    if name not in _PROVIDERS:
        raise ClusterError(f"CLUSTER_PROVIDER={name!r}: use {', '.join(_PROVIDERS)}")
    return _PROVIDERS[name]


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
