"""Controller side of ``multi_agent.platform.apply``: from Ansible's task to the engine and back.

Runs in the controller process: no module is packed, copied or started, and the engine's imports are paid once, when
Ansible loads this file for the first task.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible import constants as C  # noqa: N812 - its name everywhere in Ansible
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.ansible import roles, signals
from ..module_utils.ansible.connection import CONNECTION_SPEC
from ..module_utils.ansible.failure import Failure
from ..module_utils.ansible.filters import Filters
from ..module_utils.ansible.progress import Progress
from ..module_utils.ansible.variables import Variables, preload
from ..module_utils.engine import tier as tiers
from ..module_utils.engine.applyset import ApplySet
from ..module_utils.engine.cluster import Cluster, connect
from ..module_utils.engine.credentials import Credentials, Source
from ..module_utils.engine.errors import EngineError
from ..module_utils.engine.kinds import BUILT_IN
from ..module_utils.engine.manifests import Identity, identity
from ..module_utils.engine.prune import Policy
from ..module_utils.engine.render import Renderer, plain
from ..module_utils.operations import releases

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "tier": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "templates": {"type": "list", "elements": "str"},
    "definition": {"type": "list", "elements": "dict", "default": []},
    "credentials": {"type": "dict", "no_log": False},
    "credentials_write": {"type": "bool", "default": False},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 600},
    "lock_timeout": {"type": "int", "default": 300},
    "force_conflicts": {"type": "bool", "default": False},
    "prune": {"type": "bool", "default": True},
    "prune_data": {"type": "list", "elements": "str", "default": []},
    "prune_most": {"type": "bool", "default": False},
    "render_to": {"type": "path"},
    **CONNECTION_SPEC,
}

# Where a task leaves an option out, the variable of roles/platform says it, so that a tier's task names its tier only.
FALLBACK = {
    "namespace": "platform_namespace",
    "wait": "platform_wait",
    "wait_timeout": "platform_wait_timeout",
    "lock_timeout": "platform_lock_timeout",
    "force_conflicts": "platform_force_conflicts",
    "prune": "platform_prune",
    "prune_data": "platform_prune_data",
    "prune_most": "platform_prune_most",
    "render_to": "platform_render_to",
    "kubeconfig": "platform_kubeconfig",
    "context": "platform_context",
}
CREDENTIALS = "__platform_credentials"

ROLES = Path(__file__).parents[2] / "roles"
SHARED_TEMPLATES = ROLES / "platform" / "templates"
preload(ROLES)
signals.await_workers()
display = Display()


class ActionModule(ActionBase):
    """Renders the calling role's templates and makes the cluster hold what they say."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the module's documentation for options and return values."""
        super().run(tmp, task_vars)
        del tmp
        # This worker is a fork of Ansible and ends with the task: walking its inherited objects for garbage costs
        # 0.1 s and finds none.
        gc.freeze()
        variables = Variables(self._templar, task_vars or {}, self._specs())
        credentials: Credentials | None = None
        cluster: Cluster | None = None
        try:
            args = self._arguments(variables)
            cluster = None if args["render_to"] else connect(args)
            credentials = self._credentials(args, variables, cluster)
            if cluster is None:
                return self._render(args, variables, credentials)
            with signals.heeded(cluster.interruption):
                return self._run(args, variables, credentials, cluster)
        except EngineError as error:
            text = credentials.redact(str(error)) if credentials else str(error)
            if cluster and cluster.interruption.reason:
                # Ansible ends without looking at results, so this is all that is seen of it.
                display.display(text, color=C.COLOR_ERROR, stderr=True)
            raise Failure(text) from None
        finally:
            if cluster:
                cluster.close()

    def _arguments(self, variables: Variables) -> dict[str, Any]:
        for option, variable in FALLBACK.items():
            if option not in self._task.args and variables.defined(variable):
                value = variables.resolve(variable)
                if value not in (None, ""):
                    self._task.args[option] = value
        _, checked = self.validate_argument_spec(argument_spec=SPEC)  # type: ignore[no-untyped-call]
        arguments: dict[str, Any] = plain(checked)  # Ansible's tagged values do not survive a YAML dump
        return arguments

    def _render(self, args: dict[str, Any], variables: Variables, credentials: Credentials) -> dict[str, Any]:
        absent = args["state"] == "absent"
        loaded = tiers.Manifests([], {}) if absent else self._load(args, variables, credentials, None)
        files = tiers.write(loaded, Path(args["render_to"]), args["tier"])
        return {"changed": bool(files), "tier": args["tier"], "files": [str(file) for file in files]}

    def _run(
        self, args: dict[str, Any], variables: Variables, credentials: Credentials, cluster: Cluster
    ) -> dict[str, Any]:
        absent = args["state"] == "absent"
        loaded = tiers.Manifests([], {}) if absent else self._load(args, variables, credentials, cluster)
        progress = Progress(args["tier"], self._task.check_mode)
        options = tiers.Options(
            check=self._task.check_mode,
            show_before=self._task.diff,
            force_conflicts=args["force_conflicts"],
            wait_seconds=args["wait_timeout"] if args["wait"] else 0,
            lock_seconds=args["lock_timeout"],
            prune=absent or args["prune"],
            policy=Policy(frozenset(args["prune_data"]), most=absent or args["prune_most"], sets=absent),
        )
        failure = ""
        try:
            result = tiers.apply_tier(
                cluster,
                ApplySet(args["tier"], args["namespace"]),
                loaded,
                options,
                progress.listener(),
                set if absent else lambda: self._elsewhere(args["namespace"], cluster),
            )
        except EngineError as error:
            failure = credentials.redact(error.message)
            raise
        finally:
            if progress.changes and not self._task.check_mode:
                with cluster.interruption.shielded():
                    self._record(
                        args,
                        variables,
                        credentials,
                        loaded,
                        cluster,
                        releases.Change(progress.changes, failure, progress.migrations),
                    )
        for obj, reason in result.kept:
            progress.kept(obj, reason)
        answer: dict[str, Any] = {
            "changed": result.changed,
            "tier": args["tier"],
            "objects": result.objects(),
            "counts": result.counts(),
        }
        if self._task.diff:
            answer["diff"] = result.diffs()
        return answer

    def _record(
        self,
        args: dict[str, Any],
        variables: Variables,
        credentials: Credentials,
        loaded: tiers.Manifests,
        cluster: Cluster,
        change: releases.Change,
    ) -> None:
        """Record what this run changed as a part of its release, failed or not. No failure of its own."""
        from ..module_utils.ansible.release import context  # noqa: PLC0415 - a run without a change pays nothing

        host = str(variables.resolve("inventory_hostname")) if variables.defined("inventory_hostname") else ""
        try:
            references: list[dict[str, Any]] = []
            if any(obj["kind"] == "Secret" for obj in loaded.objects):
                described = self._credentials(args, variables, None, credentials)
                references = self._load(args, variables, described, cluster).objects
            ours = {key for key, source in loaded.sources.items() if source != "definition"} if self._own() else set()
            objects = releases.by_reference(loaded.objects, references, lambda obj: identity(obj) in ours)
            note = "teardown" if args["state"] == "absent" else ""
            about = functools.partial(context, variables, cluster, host, note)
            releases.record(cluster, args["namespace"], args["tier"], objects, change, about)
        except EngineError as error:
            if not _gone(cluster, args["namespace"]):
                display.warning(f"The release could not be recorded: {error.message}")

    def _own(self) -> bool:
        """Whether the templates are this collection's: of those it is known which values are secret."""
        role = self._role()
        return role is not None and ROLES.resolve() in role.resolve().parents

    def _load(
        self, args: dict[str, Any], variables: Variables, credentials: Credentials, cluster: Cluster | None
    ) -> tiers.Manifests:
        folder = self._templates_folder()
        names = args["templates"]
        if names is None:
            names = roles.templates(folder.parent)
        return tiers.load(
            Renderer(
                [folder, SHARED_TEMPLATES],
                Filters(),
                {"credential": credentials.get, "standby": credentials.standby, "login": credentials.login},
            ),
            names,
            variables.resolve,
            variables.defined,
            args["definition"],
            args["namespace"],
            tiers.namespaced_by(cluster),
        )

    def _elsewhere(self, namespace: str, cluster: Cluster) -> set[Identity]:
        """What the other roles of the collection declare: an object that moved to another tier is not to be deleted.

        Their templates are rendered for names only, with their defaults where the play does not have them.
        """
        role = self._role()
        siblings = [sibling for sibling in roles.tier_roles(role.parent) if sibling != role] if role else []
        templar = roles.with_defaults(self._templar, self._loader, siblings)
        found: set[Identity] = set()
        for sibling in siblings:
            variables = roles.variables_of(templar, sibling, SHARED_TEMPLATES.parent)
            functions: dict[str, Callable[..., Any]] = {
                "credential": str,
                "standby": lambda _name: "",
                "login": lambda _name, default: default,
            }
            renderer = Renderer([sibling / "templates", SHARED_TEMPLATES], Filters(), functions)
            namespaced = tiers.namespaced_by(cluster)
            names = roles.templates(sibling)
            loaded = tiers.load(renderer, names, variables.resolve, variables.defined, [], namespace, namespaced)
            found |= loaded.sources.keys()
        return found

    def _credentials(
        self, args: dict[str, Any], variables: Variables, cluster: Cluster | None, mirror: Credentials | None = None
    ) -> Credentials:
        def source() -> Source:
            described = args["credentials"] or (
                variables.resolve(CREDENTIALS) if variables.defined(CREDENTIALS) else None
            )
            if not described:
                raise EngineError(
                    "credential() is called, but the task has no option credentials.", "Add it to the task."
                )
            return Source.of(described)

        def given(variable: str) -> dict[str, str]:
            # Read by name, so that no value is an argument of the task.
            values = variables.resolve(variable) if variables.defined(variable) else {}
            return {name: str(value) for name, value in (values or {}).items() if value not in (None, "")}

        check, writes = self._task.check_mode, args["credentials_write"]
        return Credentials(source, given, cluster, args["namespace"], check, writes, mirror)

    def _role(self) -> Path | None:
        role = self._task._role
        return Path(role._role_path) if role else None

    def _templates_folder(self) -> Path:
        role = self._role()
        return (role or Path(self._loader.get_basedir())) / "templates"

    def _specs(self) -> list[Path]:
        """The argument specs whose types the variables are cast to: the calling role's and the shared one."""
        role = self._role()
        return [*([role] if role else []), SHARED_TEMPLATES.parent]


def _gone(cluster: Cluster, namespace: str) -> bool:
    """Whether the namespace went with this run: then there is nowhere to record anything."""
    live = cluster.find(BUILT_IN["v1", "Namespace"], None, namespace)
    return live is None or bool(live["metadata"].get("deletionTimestamp"))
