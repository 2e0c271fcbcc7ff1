"""Controller side of ``multi_agent.platform.preflight``: all inputs and the cluster, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.ansible import bytecode, garbage, signals, tags  # noqa: F401 - bytecode is imported first
from ..module_utils.ansible.connection import CONNECTION_SPEC, say_where
from ..module_utils.ansible.expressions import NotSimple, evaluate
from ..module_utils.ansible.failure import Failure
from ..module_utils.ansible.variables import ROLES, argument_spec, preload
from ..module_utils.ansible.wiring import SEAT
from ..module_utils.engine.cluster import connect
from ..module_utils.engine.connection import canonical
from ..module_utils.engine.errors import EngineError
from ..module_utils.engine.render import plain
from ..module_utils.operations import identity
from ..module_utils.platform import credential_references, images, renamed, target
from ..module_utils.platform.catalogue import Model, derive_credentials
from ..module_utils.platform.named_objects import Named
from ..module_utils.platform.problems import Problems
from ..module_utils.platform.specs import Specs
from ..module_utils.platform.store_versions import UNCHECKED
from ..module_utils.platform.validate import check_inputs

SPECS = "*/meta/argument_specs.yml"
preload()
signals.await_workers()
# A cluster that does not answer at once is most likely not there; waiting for it is the apply action's business.
PATIENCE_SECONDS = 5.0
_FAULTY: Any = object()

display = Display()

SPEC: dict[str, Any] = {
    "cluster": {"type": "bool", "default": True},
    "tiers": {"type": "list", "elements": "str", "choices": list(target.TIERS)},
    **CONNECTION_SPEC,
}


def _not_here(name: str) -> Any:
    """What refers to another variable is Ansible's to resolve: its errors name what is missing."""
    raise NotSimple(name)


class ActionModule(ActionBase):
    """Refuses a run whose inputs or cluster cannot work, with everything that is wrong at once."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the module's documentation for options and return values."""
        super().run(tmp, task_vars)
        del tmp
        garbage.rarely()
        _, args = self.validate_argument_spec(argument_spec=SPEC)  # type: ignore[no-untyped-call]
        variables = task_vars or {}
        problems = Problems()
        specs = self._specs()
        values, model = check_inputs(specs, variables, self._resolve(specs, variables, problems), problems)
        found: dict[str, Any] = {"server_version": ""}
        if args["cluster"] and not values.get("platform_render_to"):
            found |= self._check_cluster(args, values, model, variables, problems)
        if problems:
            count = len(problems.found)
            text = f"{count} {'thing' if count == 1 else 'things'} to correct; nothing was written.\n{problems}"
            if file := values.get("platform_result_file"):
                from ..module_utils.ansible import result_file  # noqa: PLC0415 - most runs pay nothing

                with suppress(EngineError):  # where the file is what is wrong, the first tier would say so
                    result_file.fail(Path(str(file)), str(variables.get("inventory_hostname")), text)
            raise Failure(text)
        for note in problems.notes:
            display.warning(note)
        message = "Everything that was asked for can be done."
        return {"changed": False, "msg": message, **found, "warnings": renamed.warnings(variables)}

    def _specs(self) -> Specs:
        """The argument specs of all roles."""
        return Specs({file.parents[1].name: argument_spec(file.parents[1]) for file in sorted(ROLES.glob(SPECS))})

    def _resolve(self, specs: Specs, variables: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
        """Plain values of the options that are set; what cannot be templated is noted."""
        values = {}
        for name in specs.options:
            if name not in variables:
                continue
            value = self._template(name, variables[name], problems)
            if value is not _FAULTY:
                values[name] = value
        return values

    def _template(self, path: str, value: Any, problems: Problems) -> Any:
        """The plain value; what cannot be templated is noted and left out, in a dictionary key by key."""
        try:
            return evaluate(value, _not_here)
        except NotSimple:
            pass
        try:
            return plain(self._templar.template(value))
        except AnsibleError as error:
            if not isinstance(value, Mapping):
                problems.add_secret(path, _cause(error), "Define what it refers to, or correct the expression")
                return _FAULTY
        sound = {str(key): self._template(f"{path}.{key}", item, problems) for key, item in value.items()}
        return {key: item for key, item in sound.items() if item is not _FAULTY}

    def _check_cluster(
        self,
        args: Mapping[str, Any],
        values: Mapping[str, Any],
        model: Model,
        variables: Mapping[str, Any],
        problems: Problems,
    ) -> dict[str, Any]:
        tiers = args["tiers"] or self._roles(variables)
        wanted = target.Wanted(
            namespace=str(values.get("platform_namespace")),
            version_minimum=str(values.get("platform_server_version_minimum")),
            tiers=frozenset(tags.chosen(tiers, variables.get) or tiers)
            - (frozenset() if model.backup["enabled"] else {"backup"}),
            storage=tuple(
                (f"platform_stores.{name}.storage.storage_class", store["storage"]["storage_class"])
                for name, store in model.stores.items()
            ),
            routes=target.routes(values.get("ingress_kind")),
            stores=_stores(values, model),
            named=_named(values, model),
            nats_replicas=int(model.stores["nats"]["replicas"]),
            sizes={name: store["storage"]["size"] for name, store in model.stores.items()},
            issuer=bool((values.get("ingress_issuer") or {}).get("name")),
        )
        where = dict(args)
        wanted_uid = str(values["platform_cluster_uid"] or "")
        try:
            say_where(where, values.get)
            cluster = connect(where, patience=PATIENCE_SECONDS)
            try:
                with ThreadPoolExecutor(1) as pool:
                    asked = pool.submit(identity.uid, cluster)
                    version = target.check(cluster, wanted, problems)
                uid = asked.result()
                identity.refuse_other_cluster(cluster.connection.address, uid, wanted_uid)
            finally:
                cluster.close()
        except EngineError as error:
            problems.add_secret(
                "cluster", error.message.rstrip("."), (error.remedy or "See the server's log").rstrip(".")
            )
            return {}
        host = str(variables.get("inventory_hostname"))
        seat = identity.Seat(host, canonical(cluster.connection.server), wanted.namespace, uid)
        return {"server_version": version, SEAT: asdict(seat)}

    def _roles(self, variables: Mapping[str, Any]) -> list[str]:
        """The tiers of the play's roles."""
        names = {str(name).rpartition(".")[2] for name in variables.get("ansible_play_role_names") or ()}
        if self._task._role:
            names |= {parent.get_name().rpartition(".")[2] for parent in self._task._role.get_parents()}
        return sorted(names & target.TIERS.keys())


def _stores(values: Mapping[str, Any], model: Model) -> dict[str, tuple[str, str]]:
    """Store -> the variable of its image and the image, without those that are not to be checked."""
    found = {}
    for store in model.stores.keys() - set(values.get(UNCHECKED) or ()):
        if image := model.images.get(store):
            saying = (name for name in images.VARIABLES if store in _mapping(values.get(name)))
            found[store] = (f"{next(saying, images.VARIABLES[-1])}.{store}", image.text(model.registry))
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _named(values: Mapping[str, Any], model: Model) -> Named:
    """What else of the cluster the inventory names."""
    referred = values.get(credential_references.VARIABLE)
    return Named(
        tuple(
            (f"platform_services.{entry.name}.runtime_class", entry.runtime_class)
            for entry in model.entries.values()
            if entry.runtime_class
        ),
        tuple(credential_references.read(referred, derive_credentials(model))),
    )


def _cause(error: AnsibleError) -> str:
    """An error's own words in one line; they name variables, never values."""
    return " ".join(str(error).split()).rstrip(".")
