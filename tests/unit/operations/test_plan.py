"""What a plan takes for said by the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.multi_agent.platform.plugins.action import plan
from ansible_collections.multi_agent.platform.plugins.module_utils.ansible.variables import Variables
from ansible_collections.multi_agent.platform.plugins.module_utils.engine.tier import Result
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.plan import Plan

ROLE = Path(__file__).parents[3] / "roles" / "platform"
NAMES = ("platform_prune", "platform_prune_data", "platform_prune_most", "platform_force_conflicts")


def variables(**values: Any) -> Variables:
    return Variables(Templar(loader=DataLoader(), variables=values), values, [ROLE])


@pytest.mark.parametrize("values", [{}, dict.fromkeys(NAMES)], ids=["not there", "left empty"])
def test_what_is_left_empty_means_the_default(values: dict[str, Any]) -> None:
    options = plan.how(variables(**values), "ns")
    assert (options.check, options.prune, options.force_conflicts) == (True, True, False)
    assert (options.policy.data, options.policy.most) == (frozenset(), False)


def test_what_is_said_counts() -> None:
    values = {
        "platform_prune": "false",
        "platform_prune_data": ["PersistentVolumeClaim/x"],
        "platform_prune_most": True,
    }
    options = plan.how(variables(**values, platform_force_conflicts="true"), "ns")
    assert (options.prune, options.force_conflicts) == (False, True)
    assert (options.policy.data, options.policy.most) == (frozenset(["PersistentVolumeClaim/x"]), True)


def test_pod_that_would_be_replaced_is_a_change() -> None:
    pod = {"kind": "Pod", "metadata": {"name": "postgres-0", "namespace": "ns"}}
    made = Plan("local", "https://127.0.0.1", "ns", {"datastores": Result([], replaced=[(pod, "ImagePullBackOff")])})
    assert made.changed
    assert made.summary() == "1 replaced; 0 unchanged"
    (entry,) = made.data()["objects"]
    assert (entry["action"], entry["name"]) == ("replaced", "postgres-0")
    assert "  ± Pod postgres-0 (replaced)" in made.text()
    assert "ImagePullBackOff" in "\n".join(made.text())
