"""Backups on real pods: what is written comes back, drills compare, and what cannot be restored changes nothing."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest

from .platform import ROOT, Platform, Run
from .test_data import counts, kept

pytestmark = pytest.mark.slow

IMAGE = "multi-agent/backup:dev"
# A public key whose private key nobody has: what opens credentials is tested without pods.
RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
ENABLED: dict[str, Any] = {
    "platform_backup": {"enabled": True, "volume_size": "1Gi", "scratch_size": "1Gi"},
    "backup_age_recipients": [RECIPIENT],
    "kind_images": {"backup": IMAGE},
}
SMALL = "backups-small"


class Backups:
    """The platform's verbs of backups, and a look at the volume that keeps them."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.namespace = str(platform.get("serviceaccount", "backup")["metadata"]["namespace"])
        self.outputs: list[str] = []

    def verb(self, name: str, *, fails: bool = False, **variables: Any) -> Run:
        run = self.platform.play(f"playbooks/{name}.yml", fails=fails, **ENABLED, **variables)
        assert "Traceback" not in run.output
        self.outputs.append(run.output)
        return run

    def make(self) -> str:
        name: str = re.findall(r"Backup (\d{8}-\d{6}):", self.verb("backup").output)[0]
        return name

    def restore(self, name: str, *, fails: bool = False, **variables: Any) -> Run:
        return self.verb("restore", fails=fails, restore_from=name, restore_name=self.namespace, **variables)

    def on_volume(self, code: str) -> None:
        """Run Python as the backups' own user, in the folder of their backups."""
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "hand"},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 10005,
                    "fsGroup": 10005,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "volumes": [{"name": "backups", "persistentVolumeClaim": {"claimName": "backups"}}],
                "containers": [
                    {
                        "name": "hand",
                        "image": IMAGE,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python", "-c", f"import os\nos.chdir('/backups/{self.namespace}')\n{code}"],
                        "volumeMounts": [{"name": "backups", "mountPath": "/backups"}],
                        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    }
                ],
            },
        }
        self.platform.kubectl("delete", "pod", "hand", "--ignore-not-found", "--now")
        self.platform.kubectl("apply", "--filename=-", stdin=json.dumps(pod))
        self.platform.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/hand", "--timeout=60s")
        self.platform.kubectl("delete", "pod", "hand", "--now")

    def suspended(self) -> bool:
        """Whether no backup is made on schedule."""
        return bool(self.platform.get("cronjob", "backup")["spec"].get("suspend"))

    def services_run(self) -> bool:
        return all(d["spec"]["replicas"] > 0 for d in self.platform.get("deployments")["items"])


@pytest.fixture(scope="module")
def backups(platform: Platform) -> Iterator[Backups]:
    """The platform with backups, which are gone from it afterwards."""
    subprocess.run(["make", "-C", "images/backup", "image", f"IMAGE={IMAGE}"], cwd=ROOT, check=True)
    subprocess.run(["kind", "load", "docker-image", "--name", platform.name, IMAGE], check=True)
    platform.site(**ENABLED)
    yield Backups(platform)
    platform.site(platform_prune_most=True)  # the whole tier goes


def test_rows_vectors_and_messages_come_back(backups: Backups) -> None:
    run_id = backups.platform.round_trip()
    before = counts(kept(backups.platform, run_id))
    name = backups.make()
    listed = backups.verb("backups").output
    assert re.search(rf"{name} .* encrypted +asked for", listed)
    later = backups.platform.round_trip()
    refused = backups.verb("restore", fails=True, restore_from=name, restore_name="another").output
    assert "its name was not given ('another' is not it)" in refused
    output = backups.restore(name).output
    safety = re.findall(r"kept as backup (\S+)\.", output)[0]
    assert counts(kept(backups.platform, run_id)) == before
    assert counts(backups.platform.gateway("GET", f"/run/{later}")[1]) != before
    backups.platform.round_trip()
    # And forth again, to what the restore itself had kept.
    backups.restore(safety)
    kept(backups.platform, later)


def test_a_drill_restores_the_newest_and_leaves_nothing(backups: Backups) -> None:
    backups.platform.round_trip()
    name = backups.make()
    output = backups.verb("restore_drill").output
    assert f"Backup {name}:" in output
    assert "DIFFERS" not in output
    assert "RPO: " in output
    assert "RTO: " in output
    deadline = time.monotonic() + 60
    while [c for c in backups.platform.get("persistentvolumeclaims")["items"] if "scratch" in c["metadata"]["name"]]:
        assert time.monotonic() < deadline, "the scratch volume stays"
        time.sleep(1)
    assert backups.platform.get("cronjob", "restore-drill")["status"]["lastSuccessfulTime"]


def test_a_backup_that_is_made_while_services_write_is_one(backups: Backups) -> None:
    end = threading.Event()

    def write() -> None:
        while not end.is_set():
            backups.platform.round_trip()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        name = backups.make()
    finally:
        end.set()
        writer.join()
    output = backups.verb("restore_drill", drill_backup=name).output
    assert f"Backup {name}:" in output
    assert "DIFFERS" not in output
    backups.restore(name)
    backups.platform.round_trip()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "f = open('{name}/postgres/database.dump', 'r+b'); f.seek(500); b = f.read(1); f.seek(500);"
            " f.write(bytes([b[0] ^ 1]))",
            "checksum of postgres/database.dump is not that of its manifest",
        ),
        ("os.remove('{name}/nats/0.snapshot')", "nats/0.snapshot is missing"),
        ("f = open('{name}/manifest.json', 'w')", "cannot be read"),
        (
            "import json\np = '{name}/manifest.json'; m = json.load(open(p)); m['format'] = 2\n"
            "json.dump(m, open(p, 'w'))",
            "made by a newer version",
        ),
        (
            "from platform_backup import manifest\np = '{name}/manifest.json'\n"
            "m = manifest.parse(open(p, 'rb').read(), ''); m.platform = 'another'; open(p, 'wb').write(m.dump())",
            "is of platform another",
        ),
    ],
    ids=["corrupt", "incomplete", "no manifest", "newer", "of another platform"],
)
def test_what_cannot_be_restored_changes_nothing(backups: Backups, code: str, words: str) -> None:
    run_id = backups.platform.round_trip()
    name = backups.make()
    backups.on_volume(code.replace("{name}", name))
    try:
        assert words in backups.restore(name, fails=True).output
        assert backups.services_run()
        kept(backups.platform, run_id)
    finally:
        backups.on_volume(f"import shutil; shutil.rmtree('{name}')")


def test_unknown_backups_and_parts_are_named(backups: Backups) -> None:
    name = backups.make()
    assert f"Newest first, there are: {name}" in backups.restore("19990101-000000", fails=True).output
    assert "There is no part 'tapes'" in backups.restore(name, fails=True, restore_parts="tapes").output
    assert "No backup was named" in backups.restore("", fails=True).output
    assert backups.services_run()


def test_an_interrupted_restore_is_ended_by_the_next(backups: Backups) -> None:
    run_id = backups.platform.round_trip()
    before = counts(kept(backups.platform, run_id))
    name = backups.make()
    variables = {**ENABLED, "restore_from": name, "restore_name": backups.namespace}
    command, environment = backups.platform.command("playbooks/restore.yml", **variables)
    running = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while running.poll() is None:
        under_way = [
            job["metadata"]["name"]
            for job in backups.platform.get("jobs")["items"]
            if re.fullmatch("restore-[0-9a-f]{8}", job["metadata"]["name"]) and not job["status"].get("completionTime")
        ]
        if under_way:
            backups.platform.kubectl("delete", "job", *under_way, "--now")
            break
        time.sleep(0.1)
    output = running.communicate(timeout=120)[0]
    assert running.returncode != 0, output
    assert "The services stay stopped" in output
    assert "make restart S=all" in output
    assert not backups.services_run()
    assert backups.suspended()
    assert "stopped by a restore" in backups.verb("status").output
    assert "A restore stopped " in backups.verb("check_health", fails=True).output
    # Not waited for: it becomes ready with the parts that it calls.
    backups.verb("restart", part="agent", platform_wait=False)
    assert backups.platform.get("deployment", "agent-service")["spec"]["replicas"] > 0
    assert backups.suspended()
    backups.restore(name)
    assert backups.services_run()
    assert not backups.suspended()
    assert counts(kept(backups.platform, run_id)) == before
    backups.platform.round_trip()


def test_a_restore_that_fails_before_it_replaces_anything_starts_the_services_again(backups: Backups) -> None:
    """Its container that loads breaks, and tells a password."""
    platform = backups.platform
    run_id = platform.round_trip()
    name = backups.make()
    breaks = (
        '. "$WORK_DIR/load.env"; [ -z "${DUMP:-}" ] || '
        '{ echo "no: $(cat "$POSTGRES_PASSWORD_FILE")" >/dev/termination-log; exit 1; }'
    )
    path = "/spec/jobTemplate/spec/template/spec/initContainers/1/command"
    patch = [{"op": "replace", "path": path, "value": ["/bin/sh", "-c", breaks]}]
    platform.kubectl("patch", "cronjob", "restore", "--type=json", f"--patch={json.dumps(patch)}")
    try:
        output = backups.restore(name, fails=True).output
        assert backups.services_run()
        assert not backups.suspended()
    finally:
        platform.kubectl("delete", "jobs", "--selector=app=restore", "--cascade=foreground")
        platform.site(**ENABLED)  # the container as it was; waits for the services
    assert "The live data is as it was. Started again: " in output
    # Compared first: a failed assertion prints what it looks at.
    hidden = "no: ********" in output
    assert hidden, "the password is not masked"
    kept(platform, run_id)


def test_credentials_that_are_lost_come_back_from_a_backup(backups: Backups, tmp_path: Path) -> None:
    platform = backups.platform
    identity = pyrage.x25519.Identity.generate()
    key_file = tmp_path / "platform.key"
    key_file.write_text(f"{identity}\n")
    both = {"backup_age_recipients": [RECIPIENT, str(identity.to_public())]}
    platform.site(**{**ENABLED, **both})
    before = platform.get("secret", "platform-credentials")
    try:
        name = backups.make()
        lost = json.dumps([{"op": "remove", "path": "/data/jwt_secret"}])
        platform.kubectl("patch", "secret", "platform-credentials", "--type=json", f"--patch={lost}")
        output = backups.restore(name, restore_parts="credentials", restore_identity_file=str(key_file)).output
        after = platform.get("secret", "platform-credentials")
    finally:
        platform.site(**ENABLED)
    assert re.search(r"Wrote 1 of \d+ credentials into Secret platform-credentials: jwt_secret\.", output)
    # Not compared by assert, which would print both.
    same = after["data"] == before["data"]
    assert same, "the Secret is not what it was"
    assert after["metadata"]["labels"] == before["metadata"]["labels"]


def test_a_full_volume_is_said_and_costs_nothing(backups: Backups) -> None:
    platform = backups.platform
    name = backups.make()
    node = f"{platform.name}-worker"
    subprocess.run(
        ["docker", "exec", node, "sh", "-c", "mkdir -p /small && mount -t tmpfs -o size=16k tmpfs /small"], check=True
    )
    small = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": SMALL},
        "spec": {
            **small,
            "capacity": {"storage": "1Mi"},
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": "/small"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": SMALL},
        "spec": {**small, "volumeName": SMALL, "resources": {"requests": {"storage": "1Mi"}}},
    }
    try:
        platform.kubectl("apply", "--filename=-", stdin=json.dumps(volume))
        platform.kubectl("apply", "--filename=-", stdin=json.dumps(claim))
        platform.site(**ENABLED, backup_existing_claim=SMALL)
        output = backups.verb("backup", fails=True).output
        assert "The backup volume is full" in output
        assert "Earlier backups are unharmed" in output
        assert "There is no backup" in backups.verb("backups").output
    finally:
        platform.site(**ENABLED)
        platform.kubectl("delete", "jobs", "--selector=app.kubernetes.io/component=backup", "--cascade=foreground")
        platform.kubectl("delete", "pvc", SMALL, "--ignore-not-found")
        platform.kubectl("delete", "pv", SMALL, "--ignore-not-found")
        subprocess.run(["docker", "exec", node, "umount", "/small"], check=True)
    assert name in backups.verb("backups").output


def test_no_credential_was_ever_shown(backups: Backups) -> None:
    data = backups.platform.get("secret", "platform-credentials")["data"]
    # Names of logins are no secrets, and keys that nobody gave are empty.
    values = [base64.b64decode(value).decode() for key, value in data.items() if value and "_user_" not in key]
    assert len(values) > 10
    logs = backups.platform.kubectl("logs", "--selector=app.kubernetes.io/component=backup", "--all-containers")
    arguments = json.dumps(backups.platform.get("pods", "--selector=app.kubernetes.io/component=backup")["items"])
    assert backups.outputs
    for text in (*backups.outputs, logs, arguments):
        assert not any(value in text for value in values)
