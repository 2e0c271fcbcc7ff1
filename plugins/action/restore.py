"""Controller side of ``multi_agent.platform.restore``."""

from __future__ import annotations

from typing import Any, ClassVar

from ..module_utils.ansible.operation import Operation
from ..module_utils.ansible.progress import Progress
from ..module_utils.backup import jobs, quiet, restoring, screens
from ..module_utils.engine.cluster import Cluster
from ..module_utils.engine.errors import EngineError


class ActionModule(Operation):
    """Brings the data of a backup back, whole or a part."""

    ENDS_IN_ORDER = True
    WRITES = True
    SPEC: ClassVar[dict[str, Any]] = {
        "backup": {"type": "str"},
        "parts": {"type": "list", "elements": "str", "default": []},
        "inspect": {"type": "bool", "default": False},
        "name": {"type": "str", "default": ""},
        "users": {"type": "dict", "default": {}},
        "keep": {"type": "bool", "default": True},
        "identity_file": {"type": "path", "default": ""},
        "wait_timeout": {"type": "int", "default": 14400},
        "pods_timeout": {"type": "int", "default": 600},
    }

    def operate(self, cluster: Cluster, args: dict[str, Any]) -> dict[str, Any]:
        """Look and refuse before anything is written; then restore."""
        asked = restoring.Asked.of(args["backup"], args["parts"])
        if asked.parts == (restoring.CREDENTIALS,):
            return {"changed": False, "live": False} if args["inspect"] else self._credentials(cluster, asked, args)
        namespace = args["namespace"]
        jobs.refuse_beside(cluster, namespace, "Nothing was restored.")
        plan = restoring.inspect(cluster, namespace, asked, args["wait_timeout"])
        if args["inspect"] or self._task.check_mode:
            self.say(screens.inspected(plan, namespace))
            # The name that was chosen: a newer one may come before the restore.
            return {"changed": False, "live": restoring.needs_name(plan), "backup": plan["name"], "plan": plan}
        restoring.confirm(namespace, plan, args["name"])
        return self._restore(cluster, restoring.Asked(plan["name"], asked.parts), args, restoring.needs_name(plan))

    def _restore(self, cluster: Cluster, asked: restoring.Asked, args: dict[str, Any], live: bool) -> dict[str, Any]:
        namespace = args["namespace"]
        progress = Progress("restore", check=False).waits
        users = sorted({str(name) for part in asked.parts for name in args["users"].get(part, ())})
        kept = ""
        before = quiet.stopped(cluster, namespace)
        try:
            stopped = quiet.stop(cluster, namespace, users, args["pods_timeout"])
            if stopped:
                self.say(f"Stopped: {', '.join(stopped)}.")
            # One may have been scheduled just before the schedule was suspended.
            jobs.refuse_beside(cluster, namespace, "Nothing was restored.")
            if live and args["keep"]:
                source = jobs.schedule(cluster, namespace, "backup")
                # Retention knows nothing of the backup that is about to be restored, and could let it go.
                job = jobs.made_of(source, jobs.Wanted({"REASON": "before a restore", "KEEP_ALL": "true"}))
                kept = jobs.run(cluster, namespace, job, args["wait_timeout"], self.say)["backup"]["name"]
                self.say(f"What is there now is kept as backup {kept}.")
            job = restoring.job(cluster, namespace, asked)
        except EngineError as error:
            # Everything goes on as it was, also where the run was told to stop.
            self._go_on(cluster, namespace, before, error)
            raise
        try:
            done = jobs.run(cluster, namespace, job, args["wait_timeout"], self.say)
        except jobs.NothingDone as error:
            self._go_on(cluster, namespace, before, error)
            raise
        except EngineError as error:
            # Of a run that was told to stop, and of one that waited too long, the Job goes on.
            again = f"make restore FROM={asked.backup} NAME={namespace}"
            back = f" What was there before: make restore FROM={kept} NAME={namespace}." if kept else ""
            error.remedy = (
                f"{error.remedy}\nThe services stay stopped, as some stores may be restored and others not. "
                f"Restore again when the Job has ended ({again}): it begins anew, and starts them at its end.{back} "
                "To start them with the data that is there then: make restart S=all."
            )
            raise
        self.say(f"Restored {', '.join(done['parts'])} of backup {done['restored']} in {done['seconds']:.0f} s.")
        for part, names in done["gone"].items():
            if names:
                self.say(f"{part}: {', '.join(names)} went, as the backup has none of that name.")
        started = quiet.start(cluster, namespace, args["pods_timeout"], progress)
        if started:
            self.say(f"Started: {', '.join(started)}.")
        return {"changed": True, "restored": done, "kept": kept, "started": started}

    def _go_on(self, cluster: Cluster, namespace: str, before: set[str], error: EngineError) -> None:
        """Undo the stop, as nothing was restored; ``error`` is why, and is said whatever comes of it.

        What was stopped ``before`` stays so: the restore that did it may have replaced a part of the data.
        """
        error.remedy = f"{error.remedy}\nThe live data is as it was.".lstrip()
        try:
            started = quiet.undo(cluster, namespace, before)
        except EngineError as second:
            error.remedy += f" But the services are still stopped, as they could not be started: {second}"
            return
        if started:
            error.remedy += f" Started again: {', '.join(started)}."
        if before:
            error.remedy += f" Still stopped by an earlier restore: {', '.join(sorted(before))}; {quiet.WAY_OUT}."

    def _credentials(self, cluster: Cluster, asked: restoring.Asked, args: dict[str, Any]) -> dict[str, Any]:
        namespace, secret, check = args["namespace"], self.secret(), self._task.check_mode
        if theirs := self.variables.get("platform_existing_secret"):
            raise EngineError(
                f"platform_existing_secret names {theirs}, which is yours and is only read. Nothing was restored.",
                "Restore it where it comes from, or set platform_existing_secret to an empty text to restore into "
                "platform-credentials.",
            )
        data = restoring.encrypted(cluster, namespace, asked, args["wait_timeout"])
        values = restoring.decrypt(data, args["identity_file"])
        values, note = restoring.without_referred(values, {r.credential: r.secret for r in self.references()})
        if note:
            self.warn(note)
        written, differing = restoring.write_credentials(cluster, namespace, secret, values, check=check)
        would = "Would write" if check else "Wrote"
        if written:
            self.say(f"{would} {len(written)} of {len(values)} credentials into Secret {secret}: {', '.join(written)}.")
            self.say("Now deploy (make deploy): the Secrets of the parts and stores follow.")
        else:
            self.say(f"Secret {secret} lacks none of the {len(values)} credentials of the backup; nothing was written.")
        if differing:
            self.warn(
                f"These are others than in the backup, and stay, as the stores know them: {', '.join(differing)}. "
                "Rotate them where they should change."
            )
        return {"changed": bool(written), "written": written, "differing": differing}
