"""Where pods run, what isolates them and what their objects carry: as entries say, derived as plain data."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.filter.catalogue import catalogue

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def derive(defaults: dict[str, Any], entry: dict[str, Any], store: dict[str, Any] | None = None) -> dict[str, Any]:
    return catalogue(
        defaults["platform_services"],
        overrides={"tool": entry},
        images=defaults["platform_images"],
        stores=defaults["platform_stores"],
        stores_overrides={"qdrant": store or {}},
        quota_headroom=defaults["platform_quota_headroom"],
    )


def test_component_without_settings_has_none(defaults: dict[str, Any]) -> None:
    tool = derive(defaults, {})["by_name"]["tool"]
    assert tool["placement"] == {"node_selector": {}, "tolerations": [], "affinity": {}}
    assert (tool["runtime_class"], tool["service_account_annotations"]) == ("", {})
    assert not any(tool["annotations"].values())
    assert not any(tool["labels"].values())


def test_placement_keeps_what_was_given_and_no_more(defaults: dict[str, Any]) -> None:
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
    given = {
        "node_selector": {"gpu": True, "generation": 3},
        "tolerations": [{"key": "gpu", "value": True, "effect": "NoSchedule"}, {"operator": "Exists"}],
        "affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}},
    }
    model = derive(defaults, {"placement": given}, {"placement": {"node_selector": {"disk": "ssd"}}})
    placement = model["by_name"]["tool"]["placement"]
    assert placement["node_selector"] == {"gpu": "true", "generation": "3"}
    assert placement["tolerations"] == [
        {"key": "gpu", "value": "true", "effect": "NoSchedule"},
        {"operator": "Exists"},
    ]
    assert placement["affinity"] == given["affinity"]
    assert model["stores"]["qdrant"]["placement"]["node_selector"] == {"disk": "ssd"}


def test_annotation_values_become_text(defaults: dict[str, Any]) -> None:
    hostile = 'a: "b"\n{{ c }} # d'
    given = {"pod": {"example.org/scrape": True, "example.org/port": 8080, "example.org/text": hostile}}
    tool = derive(defaults, {"annotations": given})["by_name"]["tool"]
    assert tool["annotations"]["pod"] == {
        "example.org/scrape": "true",
        "example.org/port": "8080",
        "example.org/text": hostile,
    }


@pytest.mark.parametrize(
    ("scaling", "pods"), [({"max_replicas": 4}, 4), ({"enabled": False, "replicas": 1}, 1), ({"enabled": "no"}, 2)]
)
def test_quota_counts_the_most_pods_of_a_component(defaults: dict[str, Any], scaling: Any, pods: int) -> None:
    most = int(derive(defaults, {})["quota"]["pods"]) - 10
    assert int(derive(defaults, {"scaling": scaling})["quota"]["pods"]) == most + pods


def test_fixed_number_is_both_bounds(defaults: dict[str, Any]) -> None:
    tool = derive(defaults, {"scaling": {"enabled": False, "replicas": "3", "max_replicas": 9}})["by_name"]["tool"]
    assert tool["scaling"] == {"enabled": False, "replicas": 3, "min_replicas": 3, "max_replicas": 3}
