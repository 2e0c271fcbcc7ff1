"""Controller side of ``multi_agent.platform.apply``: from Ansible's task to the engine and back.

Runs in the controller process: no module is packed, copied or started, and the engine's imports are paid once, when
Ansible loads this file for the first task.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.ansible import bytecode, garbage, roles, signals, tags  # noqa: F401 - bytecode is imported first
from ..module_utils.ansible.connection import CONNECTION_SPEC
from ..module_utils.ansible.failure import Failure
from ..module_utils.ansible.roles import Source
from ..module_utils.ansible.run import Run, write
from ..module_utils.ansible.variables import ROLES, SHARED_ROLE, Variables, preload
from ..module_utils.engine import credentials as platform
from ..module_utils.engine import tier as tiers
from ..module_utils.engine.cluster import Cluster, connect
from ..module_utils.engine.errors import EngineError
from ..module_utils.engine.manifests import Identity
from ..module_utils.engine.prune import Policy
from ..module_utils.engine.render import plain

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "tier": {"type": "str"},
    "tiers": {"type": "list", "elements": "str"},
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
    "result_file": {"type": "path"},
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
    "result_file": "platform_result_file",
    "kubeconfig": "platform_kubeconfig",
    "context": "platform_context",
}
CREDENTIALS = "__platform_credentials"

# What speaks of one tier only.
_OF_ONE = ("templates", "definition")

preload()
signals.await_workers()


class ActionModule(ActionBase):
    """Renders the calling role's templates and makes the cluster hold what they say."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the module's documentation for options and return values."""
        super().run(tmp, task_vars)
        del tmp
        garbage.rarely()
        cluster: Cluster | None = None
        run: Run | None = None
        try:
            variables = self._variables(task_vars or {})
            args = self._arguments(variables)
            sources = self._sources(args, variables)
            if not sources:
                return {
                    "changed": False,
                    "skipped": True,
                    "msg": "No tier is left by --tags and --skip-tags.",
                }
            make = functools.partial(self._credentials, args, variables)
            if args["render_to"]:
                files = write(sources, make(None, None), args["namespace"], Path(args["render_to"]))
                return {"changed": bool(files), "files": [str(file) for file in files]}
            cluster = connect(args)
            run = Run(
                sources,
                args["namespace"],
                cluster,
                self._options(args),
                variables,
                make,
                lambda names: self._elsewhere(args["namespace"], cluster, names),
                absent=args["state"] == "absent",
                note=functools.partial(self._note, args, variables),
            )
            with signals.heeded(cluster.interruption):
                return self._report(run.apply())
        except EngineError as error:
            text = run.credentials.redact(str(error)) if run else str(error)
            if cluster and cluster.interruption.reason:
                signals.say_last(text)
            self._note_end(text, task_vars or {})
            raise Failure(text) from None
        finally:
            if cluster:
                cluster.close()

    def _variables(self, task_vars: dict[str, Any]) -> Variables:
        """The task's variables. Tiers of the collection bring the defaults of their roles."""
        if named := self._task.args.get("tiers"):
            return roles.with_defaults(self._templar, self._loader, roles.named([str(name) for name in named]))
        role = self._role()
        return Variables(self._templar, task_vars, [*([role] if role else []), SHARED_ROLE])

    def _arguments(self, variables: Variables) -> dict[str, Any]:
        variables.fill(self._task.args, FALLBACK)
        _, checked = self.validate_argument_spec(  # type: ignore[no-untyped-call]
            argument_spec=SPEC,
            required_one_of=[("tier", "tiers")],
            mutually_exclusive=[("tier", "tiers"), *(("tiers", option) for option in _OF_ONE)],
        )
        arguments: dict[str, Any] = plain(checked)  # Ansible's tagged values do not survive a YAML dump
        return arguments

    def _sources(self, args: dict[str, Any], variables: Variables) -> list[Source]:
        absent = args["state"] == "absent"
        if args["tiers"]:
            chosen = roles.named(tags.chosen(args["tiers"], variables.get, self._task.tags))
            sources = [Source.of(role, variables) for role in chosen]
        else:
            folder = self._role() or Path(self._loader.get_basedir())
            names = roles.templates(folder) if args["templates"] is None else args["templates"]
            sources = [Source(args["tier"], folder / "templates", names, variables, args["definition"])]
        return [replace(source, names=[], definition=[]) for source in sources] if absent else sources

    def _options(self, args: dict[str, Any]) -> tiers.Options:
        absent = args["state"] == "absent"
        return tiers.Options(
            check=self._task.check_mode,
            show_before=self._task.diff,
            force_conflicts=args["force_conflicts"],
            wait_seconds=args["wait_timeout"] if args["wait"] else 0,
            lock_seconds=args["lock_timeout"],
            prune=absent or args["prune"],
            policy=Policy(
                frozenset(args["prune_data"]),
                most=absent or args["prune_most"],
                sets=absent,
                namespace=args["namespace"],
            ),
        )

    def _report(self, results: dict[str, tiers.Result]) -> dict[str, Any]:
        every = results.values()
        counts = [result.counts() for result in every]
        answer = {
            "changed": any(result.changed for result in every),
            "objects": [{"tier": tier, **entry} for tier, result in results.items() for entry in result.objects()],
            "counts": {action: sum(count[action] for count in counts) for action in tiers.ACTIONS},
            "replaced_pods": [
                {"tier": tier, **pod} for tier, result in results.items() for pod in result.replaced_pods()
            ],
            "seconds": {tier: result.seconds for tier, result in results.items()},
        }
        if self._task.diff:
            answer["diff"] = [entry for result in every for entry in result.diffs()]
        return answer

    def _note(self, args: dict[str, Any], variables: Variables, entry: dict[str, Any]) -> None:
        """Add what was done to a tier to the file of the run, where one is asked for. Raises EngineError."""
        if not args.get("result_file"):
            return
        from ..module_utils.ansible import result_file  # noqa: PLC0415 - most runs pay nothing

        host = str(variables.resolve("inventory_hostname"))
        result_file.record(Path(args["result_file"]), host, entry | {"check": self._task.check_mode})

    def _note_end(self, text: str, task_vars: dict[str, Any]) -> None:
        """As ``_note``, of a run that ended beside its tiers. A file that cannot be written is what is said already."""
        if file := self._task.args.get("result_file"):
            from ..module_utils.ansible import result_file  # noqa: PLC0415 - most runs pay nothing

            with suppress(EngineError):
                result_file.fail(Path(str(file)), str(task_vars.get("inventory_hostname")), text)

    def _elsewhere(self, namespace: str, cluster: Cluster, loaded: set[str]) -> set[Identity]:
        """What the other roles of the collection declare: an object that moved to another tier is not to be deleted.

        Their templates are rendered for names only, with their defaults where the play does not have them.
        """
        role = self._role()
        here = role.parent if role else ROLES if self._task.args.get("tiers") else None
        every = roles.tier_roles(here) if here else []
        siblings = [sibling for sibling in every if sibling != role and sibling.name not in loaded]
        variables = roles.with_defaults(self._templar, self._loader, siblings)
        found: set[Identity] = set()
        for sibling in siblings:
            found |= Source.of(sibling, variables).load(platform.NO_VALUES, namespace, cluster).sources.keys()
        return found

    def _credentials(
        self,
        args: dict[str, Any],
        variables: Variables,
        cluster: Cluster | None,
        mirror: platform.Credentials | None,
    ) -> platform.Credentials:
        def source() -> platform.Source:
            described = args["credentials"] or variables.get(CREDENTIALS)
            if not described:
                raise EngineError(
                    "credential() is called, but the task has no option credentials.", "Add it to the task."
                )
            return platform.Source.of(described)

        # Of several tiers one may write the Secret; whether it does is known when all are rendered.
        writes = args["credentials_write"] or bool(args["tiers"])
        check = self._task.check_mode
        return platform.Credentials(source, variables.given, cluster, args["namespace"], check, writes, mirror)

    def _role(self) -> Path | None:
        role = self._task._role
        return Path(role._role_path) if role else None
