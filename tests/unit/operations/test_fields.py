"""Fields by path, and who wrote them."""

from ansible_collections.multi_agent.platform.plugins.module_utils.operations import drift, fields
from ansible_collections.multi_agent.platform.plugins.module_utils.operations.fields import Field, Writer

OURS = "multi-agent-platform"


def _found(wanted, found):
    return list(fields.differences(wanted, found))


def test_a_field_of_a_keyed_list_is_named_by_its_key():
    one = {"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y"}]}}
    other = {"spec": {"containers": [{"name": "b", "image": "y"}, {"name": "a", "image": "x:2"}]}}
    assert Field("spec.containers", ["a", "b"], ["b", "a"]) in _found(one, other)
    same_order = {"spec": {"containers": [{"name": "a", "image": "x:2"}, {"name": "b", "image": "y"}]}}
    assert _found(one, same_order) == [Field("spec.containers[a].image", "x:1", "x:2")]


def test_elements_without_a_key_are_compared_by_their_place():
    assert _found({"l": [{"x": 1}, {"x": 2}]}, {"l": [{"x": 1}, {"x": 3}]}) == [Field("l[1].x", 2, 3)]


def test_what_one_side_lacks_is_named_once():
    assert _found({"a": {"b": {"c": 1}}}, {}) == [Field("a", {"b": {"c": 1}}, None)]
    assert _found({}, {}) == []


def _object(*entries):
    return {"metadata": {"managedFields": list(entries)}}


def _entry(manager, time, owned, **more):
    return {"manager": manager, "time": time, "fieldsV1": owned, **more}


def test_the_last_writer_of_a_field_is_known():
    owned: dict[str, object] = {"f:spec": {"f:containers": {'k:{"name":"agent"}': {"f:image": {}}}}}
    obj = _object(
        _entry("kubectl-edit", "2026-01-02T00:00:00Z", owned),
        _entry("kubectl-set", "2026-01-03T00:00:00Z", owned),
        _entry(OURS, "2026-01-04T00:00:00Z", owned),
        _entry("kube-controller-manager", "2026-01-05T00:00:00Z", owned, subresource="status"),
    )
    writer = fields.writer_of("spec.containers[agent].image", fields.writers(obj))
    assert writer == Writer("kubectl-set", "2026-01-03T00:00:00Z")


def test_a_branch_belongs_to_who_wrote_below_it_and_nobody_else():
    known = fields.writers(_object(_entry("helm", "2026-01-02T00:00:00Z", {"f:data": {"f:A": {}}})))
    assert fields.writer_of("data", known) == Writer("helm", "2026-01-02T00:00:00Z")
    assert fields.writer_of("data.B", known) is None
    assert fields.latest(known, frozenset({"helm"})) is None


def test_long_values_are_cut():
    assert fields.shown({"a": "b" * 100}, 20) == '{"a": "bbbbbbbbbb...'
    assert fields.shown(None) == "nothing"
    assert fields.shown("") == '""'


def test_a_writer_without_a_time_is_named_alone():
    change = drift.Change(Field("spec.replicas", 2, 4), Writer("multi-agent-platform-operator", ""))
    assert change.line() == "spec.replicas: declared 2, is 4 (multi-agent-platform-operator)"
