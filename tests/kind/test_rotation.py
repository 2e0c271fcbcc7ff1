"""Credentials change while requests come in: none fails, and what was in force before is refused afterwards."""

from __future__ import annotations

import base64
import json
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .platform import Platform
from .test_releases import EVERYWHERE, RATE, STORES

pytestmark = pytest.mark.slow

# Calls that ask every store wait for it as long as their caller does: none may fail. Round trips write, too, and ask
# over NATS, within limits of three seconds that a machine busy with a rollout does not always keep: what must not be is
# another reason, or a login or a permission that is refused.
TRIPS, CALLS = 0.5, 1.0
SLOW = ("no answer", "couldn't get a connection", "not connected")
REFUSED = {
    "postgres-0": ("password authentication failed", "not permitted to log in"),
    "nats-0": ("authentication error", "Authorization Violation", "Permissions Violation"),
}
NEW_KEYS = {"openai_api_key": "sk-rotated-openai-7Qm2vX9c", "anthropic_api_key": "sk-ant-rotated-4Hq8nB3k"}


def credentials(platform: Platform) -> dict[str, str]:
    data = platform.get("secret", "platform-credentials")["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def rotate(platform: Platform, what: str, **variables: Any) -> None:
    """Under load of both kinds; what comes out is checked for what every rotation has in common."""
    before = credentials(platform)
    # Logs are asked for by whole seconds, and the test before this one has tried a login that is refused.
    begin = (datetime.now(UTC) + timedelta(seconds=1)).isoformat(timespec="seconds")
    with (
        platform.load(f"load-rotate-{what}", EVERYWHERE, RATE / 2) as calls,
        platform.load(f"stores-rotate-{what}", STORES, CALLS) as stores,
        platform.load(f"trips-rotate-{what}", "/run", TRIPS, method="POST") as trips,
    ):
        run = platform.play("playbooks/rotate.yml", rotate=[what], rotate_overlap=20, **variables)
        reports = [calls(), stores(), trips()]
    after = credentials(platform)
    assert not [name for name in after if name.endswith(("_next", "_previous"))]
    secrets = [value for name, value in {**before, **after}.items() if "_user_" not in name]
    assert not [value for value in secrets if value in run.output]
    assert [report["failed"] for report in reports[:2]] == [0, 0], reports
    assert all(any(word in reason for word in SLOW) for reason in reasons(reports[2])), reports[2]
    assert refused(platform, what, begin) == []
    changed = {name for name in after if before.get(name) != after[name]}
    numbers = " and ".join(str(report["sent"]) for report in reports[:2])
    print(f"{what}: {numbers} calls, none failed, in {run.seconds:.0f} s; {sorted(changed)}")
    assert changed


def reasons(report: dict[str, Any]) -> list[str]:
    """Why round trips failed, each hop for itself."""
    found: list[str] = []
    for error in report["errors"]:
        status, _, told = error.partition(": ")
        found += json.loads(told) if told.startswith("[") else [f"{status}: {told}"]
    return found


def refused(platform: Platform, what: str, begin: str) -> list[str]:
    """Logins that the stores refused since, by their own logs."""
    # The job that changes the superuser's password finds out by trying whether it has been changed.
    tried = 'user "postgres"' if what == "superuser" else "\0"
    return [
        line
        for pod, words in REFUSED.items()
        for line in platform.kubectl("logs", pod, f"--since-time={begin}").splitlines()
        if any(word in line for word in words) and tried not in line
    ]


def test_database_roles(platform: Platform) -> None:
    before = credentials(platform)
    rotate(platform, "postgres")
    after = credentials(platform)
    user, former = after["postgres_user_gateway"], before.get("postgres_user_gateway", "gateway")
    assert {user, former} == {"gateway", "gateway_b"}
    assert logs_in(platform, user, after["postgres_password_gateway"]).strip() == "1"
    answer = logs_in(platform, former, before["postgres_password_gateway"])
    assert any(word in answer for word in REFUSED["postgres-0"])


def logs_in(platform: Platform, user: str, password: str) -> str:
    """What psql says to a login over the network; the password goes in by standard input."""
    command = (
        'read -r PGPASSWORD && export PGPASSWORD && psql -h "$0" -U "$1" -d multi_agent -tAc "SELECT 1" 2>&1 || true'
    )
    address = platform.get("pod", "postgres-0")["status"]["podIP"]
    return platform.kubectl("exec", "-i", "postgres-0", "--", "sh", "-c", command, address, user, stdin=f"{password}\n")


def test_the_superuser(platform: Platform) -> None:
    before = credentials(platform)["postgres_password"]
    rotate(platform, "superuser")
    assert logs_in(platform, "postgres", credentials(platform)["postgres_password"]).strip() == "1"
    assert "password authentication failed" in logs_in(platform, "postgres", before)


def test_nats_users_without_a_restart_of_nats(platform: Platform) -> None:
    pod = platform.get("pod", "nats-0")["metadata"]["uid"]
    rotate(platform, "nats")
    assert platform.get("pod", "nats-0")["metadata"]["uid"] == pod
    assert platform.restarts()["nats-0"] == 0


def test_the_key_of_tokens_with_an_overlap(platform: Platform) -> None:
    frontend = platform.pods("frontend")[0]["metadata"]["name"]
    tokens = subprocess.Popen(
        [
            "kubectl",
            f"--kubeconfig={platform.kubeconfig}",
            *namespaced(platform),
            *("exec", frontend, "--", "python3", "-c", TOKENS),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    rotate(platform, "jwt")
    # Not before: that rotation is over, so the first token is refused by now, and the client ends at that.
    answer = json.loads(tokens.communicate(timeout=120)[0])
    print(f"tokens: {answer}")
    assert answer["new_refused"] == 0, "a token that a pod had just signed was refused by another one"
    assert answer["accepted"] > 10


# Signs in again and again; shows the first and the newest tokens to whatever pod answers, until one refuses the first.
TOKENS = """
import json, time, urllib.error, urllib.request
def post(path, token=""):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request("http://gateway-service:3000" + path, method="POST", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None
first = newest = post("/session")[1]["token"]
accepted = new_refused = 0
while True:
    previous, newest = newest, post("/session")[1]["token"]
    new_refused += sum(post("/run", token)[0] == 401 for token in (previous, newest))
    if post("/run", first)[0] == 401:
        break
    accepted += 1
    time.sleep(1)
print(json.dumps({"accepted": accepted, "new_refused": new_refused}))
"""


def namespaced(platform: Platform) -> list[str]:
    return [f"--namespace={platform.get('pod', 'nats-0')['metadata']['namespace']}"]


def test_keys_of_providers_are_given_and_never_made(restored: Platform) -> None:
    unanswered = restored.play("playbooks/rotate.yml", fails=True, rotate=["ai"])
    assert "openai_api_key is issued by its provider" in unanswered.output
    rotate(restored, "ai", platform_credentials=NEW_KEYS)
    assert credentials(restored)["openai_api_key"] == NEW_KEYS["openai_api_key"]


def test_an_interrupted_rotation_goes_on_and_site_does_not_disturb_it(platform: Platform) -> None:
    before = credentials(platform)
    command, environment = platform.command("playbooks/rotate.yml", rotate=["postgres"], rotate_overlap=0)
    rotation = subprocess.Popen(command, cwd=platform.checkout, env=environment, stdout=subprocess.PIPE, text=True)
    assert rotation.stdout
    for line in rotation.stdout:
        if "New values are in force" in line:
            break
    rotation.kill()
    rotation.communicate()
    halfway = credentials(platform)
    assert [name for name in halfway if name.endswith(("_next", "_previous"))]
    platform.site()
    platform.round_trip()
    platform.play("playbooks/rotate.yml", rotate=["postgres"], rotate_overlap=0)
    after = credentials(platform)
    assert not [name for name in after if name.endswith(("_next", "_previous"))]
    assert after["postgres_password_gateway"] != before["postgres_password_gateway"]
    assert platform.site().recap["changed"] == 0
    platform.round_trip()


def test_qdrant_s_key_costs_what_a_restart_of_qdrant_costs(platform: Platform) -> None:
    with (
        platform.load("load-rotate-qdrant", EVERYWHERE, RATE / 2) as calls,
        platform.load("stores-rotate-qdrant", STORES, CALLS) as stores,
    ):
        platform.play("playbooks/rotate.yml", rotate=["qdrant"])
        reports = [calls(), stores()]
    # One replica: what needs a vector waits meanwhile, and is served.
    assert [report["failed"] for report in reports] == [0, 0], reports
    platform.round_trip()
