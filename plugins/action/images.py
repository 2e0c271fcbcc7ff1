"""Controller side of ``multi_agent.platform.images``."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.ansible import signals
from ..module_utils.ansible.images import FALLBACK, SPEC, request
from ..module_utils.ansible.variables import ROLES, SHARED_ROLE, Variables, preload
from ..module_utils.engine.errors import EngineError
from ..module_utils.engine.render import plain
from ..module_utils.images.builder import Builder, Result
from ..module_utils.operations.screen import count, table

preload()
signals.await_workers()

display = Display()


class ActionModule(ActionBase):
    """Builds images on this machine; needs no cluster."""

    _requires_connection = False
    _supports_check_mode = True
    _OPTIONS: ClassVar[dict[str, Any]] = SPEC

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the documentation of the module of this name for options and return values."""
        super().run(tmp, task_vars)
        del tmp
        variables = Variables(self._templar, task_vars or {}, [SHARED_ROLE, ROLES / "images"])
        try:
            for option, variable in FALLBACK.items():
                if option not in self._task.args and variables.defined(variable):
                    self._task.args[option] = variables.resolve(variable)
            _, checked = self.validate_argument_spec(argument_spec=self._OPTIONS)  # type: ignore[no-untyped-call]
            return self._work(plain(checked), variables)
        except EngineError as error:
            raise AnsibleActionFail(str(error)) from None

    def _work(self, args: dict[str, Any], variables: Variables) -> dict[str, Any]:
        result = Builder(
            request(args, variables), lambda line: display.display(f"  {line}"), check=self._task.check_mode
        )
        with signals.terminable():
            done = result.run()
        display.display("\n".join(_screen(done, args["map"], self._task.check_mode)))
        # The same run deploys them: the file is read when a run begins.
        return {**done.as_dict(), "ansible_facts": {"platform_images_built": done.references}}


def _screen(result: Result, path: str, check: bool) -> list[str]:
    built = sum(image.action != "found" for image in result.images)
    how = f"{count(built, 'image')} {'would be built' if check else 'built'}, {len(result.images) - built} unchanged"
    rows = [[image.label, image.action, image.reference] for image in result.images]
    last = "Nothing was built or written." if check else f"The map is {path}"
    return [*table(("IMAGE", "WAS", "REFERENCE"), rows), "", f"{how}. {last}"]
