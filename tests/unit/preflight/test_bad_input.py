"""Bad input, case by case: what is given, and the variable, the fault and the remedy that a user reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.problems import Problems
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.services import merge
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.specs import Specs
from ansible_collections.multi_agent.platform.plugins.module_utils.platform.validate import check_inputs

REAL = {
    "jwt_secret": "q8Zr1vXk0LwT5uYb3NnE7sGd9HfJ2mCp",
    "openai_api_key": "sk-proj-8fK2mQz7LwXv5RtY",
    "anthropic_api_key": "sk-ant-api03-9sPd4HgTzQw",
    "postgres_password": "Vb7!kQ2mZx9Lw4Rt",
    "qdrant_api_key": "n5Xc8vB2mQ7wE4rT",
    "qdrant_read_only_api_key": "p9Lk3jH6gF1dS8aZ",
}


def service(**entry: Any) -> dict[str, Any]:
    return {"platform_services_overrides": {"tool": entry}}


def prod(**credentials: Any) -> dict[str, Any]:
    values = {"platform_environment": "prod", "platform_generate_credentials": False}
    return values | {"platform_credentials": merge(REAL, credentials)}


@dataclass(frozen=True)
class Case:
    name: str
    given: dict[str, Any]
    says: tuple[str, ...]
    hides: tuple[str, ...] = field(default=())


CASES = [
    Case("unknown part in calls", service(calls=["modle"]), ("tool.calls[0]", '"modle"', 'Did you mean "model"')),
    Case("call of itself", service(calls=["tool"]), ("tool.calls", "is the part itself", "Remove it")),
    Case("edge twice", service(calls=["model", "model"]), ("tool.calls[1]", "listed twice")),
    Case("calls is no list", service(calls="model"), ("tool.calls", "is not a list")),
    Case("unknown store", service(uses=["postgress"]), ("tool.uses[0]", 'Did you mean "postgres"')),
    Case("port clash", service(port=3000), ("platform_services.tool.port = 3000", "port of gateway")),
    Case("port out of range", service(port=99999), ("tool.port = 99999", "outside 1024 to 65535")),
    Case("privileged port", service(port=80), ("tool.port = 80", "without root")),
    Case("port missing", service(port=None), ("tool.port", "is missing")),
    Case("port is a word", service(port="http"), ("tool.port", "not a whole number")),
    Case(
        "min above max",
        service(scaling={"min_replicas": 11}),
        ("tool.scaling.min_replicas = 11", "above max_replicas, 10", "raise max_replicas"),
    ),
    Case(
        "replicas of an autoscaler",
        service(scaling={"replicas": 3}),
        ("tool.scaling.replicas = 3", "the autoscaler owns the number", "enabled: false"),
    ),
    Case("null for a text", {"nats_sync_interval": None}, ("nats_sync_interval: is null", 'its default, "always"')),
    Case("null for a limit", {"ingress_request_timeout": None}, ("ingress_request_timeout: is null",)),
    Case(
        "null for a switch",
        {"netpol_http01_solver": None},
        ("netpol_http01_solver: is null. Remove it for its default or",),
    ),
    Case("no fixed replica", service(scaling={"enabled": False, "replicas": 0}), ("scaling.replicas = 0", "outside 1")),
    Case(
        "scaling is null in the overrides",
        service(scaling=None),
        ("platform_services_overrides.tool.scaling", "an autoscaler from 2 to 10", "{enabled: false, replicas: 2}"),
    ),
    Case(
        "scaling is null in the catalogue",
        {"platform_services": {"tool": {"port": 3003, "scaling": None}}},
        ("platform_services.tool.scaling", "an autoscaler from 2 to 10"),
    ),
    Case(
        "unknown placement", service(placement={"node": "a"}), ("tool.placement.node", "is not a known key", "affinity")
    ),
    Case(
        "placement in Kubernetes' spelling",
        service(placement={"nodeSelector": {"disk": "ssd"}}),
        ("tool.placement.nodeSelector", 'Did you mean "node_selector"'),
    ),
    Case(
        "placement beside its key",
        service(tolerations=[{"operator": "Exists"}]),
        ("tool.tolerations", "Write it under placement"),
    ),
    Case(
        "node selector is a list",
        service(placement={"node_selector": ["ssd"]}),
        ("tool.placement.node_selector", "is not a dictionary"),
    ),
    Case(
        "malformed node label",
        service(placement={"node_selector": {"disk type": "ssd", "disk": "a b"}}),
        ("node_selector.disk type", "label key", 'node_selector.disk = "a b"', "label value"),
    ),
    Case(
        "unknown effect of a taint",
        service(placement={"tolerations": [{"key": "gpu", "effect": "NoRun"}]}),
        ('tolerations[0].effect = "NoRun"', "NoSchedule"),
    ),
    Case(
        "unknown key of a toleration",
        service(placement={"tolerations": [{"key": "gpu", "toleration_seconds": 3}]}),
        ("tolerations[0].toleration_seconds", 'Did you mean "tolerationSeconds"'),
    ),
    Case(
        "toleration of nothing",
        service(placement={"tolerations": [{"value": "a"}]}),
        ("tolerations[0].key", "is missing", "operator: Exists"),
    ),
    Case(
        "toleration that exists with a value",
        service(placement={"tolerations": [{"key": "gpu", "operator": "Exists", "value": "a"}]}),
        ('tolerations[0].value = "a"', "use Equal"),
    ),
    Case(
        "seconds of another effect",
        service(placement={"tolerations": [{"key": "gpu", "tolerationSeconds": 5}]}),
        ("tolerations[0].tolerationSeconds = 5", "NoExecute"),
    ),
    Case(
        "unknown key of an affinity",
        service(placement={"affinity": {"nodeAfinity": {}}}),
        ("placement.affinity.nodeAfinity", 'Did you mean "nodeAffinity"'),
    ),
    Case(
        "affinity without a topology",
        service(placement={"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}}),
        ("[0].topologyKey", "is required"),
    ),
    Case(
        "affinity of too much weight",
        service(
            placement={
                "affinity": {
                    "nodeAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 500, "preference": {}}]
                    }
                }
            }
        ),
        ("[0].weight = 500", "outside 1 to 100"),
    ),
    Case(
        "placement of a store",
        {"platform_stores_overrides": {"qdrant": {"placement": {"nodes": []}}}},
        ("platform_stores.qdrant.placement.nodes", "is not a known key"),
    ),
    Case(
        "malformed runtime class", service(runtime_class="g Visor"), ('tool.runtime_class = "g Visor"', "RuntimeClass")
    ),
    Case(
        "annotations without a kind",
        service(annotations={"example.org/team": "a"}),
        ("tool.annotations.example.org/team", "is not a known key", "pod_disruption_budget"),
    ),
    Case(
        "annotation of the account",
        service(annotations={"service_account": {"a": "b"}}),
        ("tool.annotations.service_account", "service_account_annotations"),
    ),
    Case(
        "annotation of the platform",
        service(annotations={"pod": {"multi-agent.platform/keep": "true"}}),
        ("annotations.pod.multi-agent.platform/keep", "sets itself", "example.org/team"),
    ),
    Case(
        "annotation of a command",
        service(annotations={"pod": {"kubectl.kubernetes.io/restartedAt": "now"}}),
        ("annotations.pod.kubectl.kubernetes.io/restartedAt", "sets itself"),
    ),
    Case(
        "annotation is a dictionary",
        service(service_account_annotations={"example.org/role": {"a": 1}}),
        ("tool.service_account_annotations.example.org/role", "is not a text"),
    ),
    Case(
        "annotation that is too long",
        service(annotations={"pod": {"example.org/data": "x" * (257 << 10)}}),
        ("tool.annotations.pod", "256 KiB"),
    ),
    Case(
        "label of a selector",
        service(labels={"pod": {"app": "mine"}}),
        ('tool.labels.pod.app = "mine"', "selectors", "example.org/team"),
    ),
    Case(
        "label of Kubernetes",
        service(labels={"pod": {"app.kubernetes.io/name": "mine"}}),
        ("labels.pod.app.kubernetes.io/name", "sets itself"),
    ),
    Case(
        "malformed label", service(labels={"service": {"team": "a b"}}), ('labels.service.team = "a b"', "label value")
    ),
    Case(
        "label of a store's claim",
        {"platform_stores_overrides": {"nats": {"labels": {"claim": {"a": "b"}}}}},
        ("platform_stores.nats.labels.claim", "stateful_set"),
    ),
    Case(
        "shared label of the platform",
        {"platform_labels": {"multi-agent.platform/team": "a"}},
        ("platform_labels.multi-agent.platform/team", "sets itself"),
    ),
    Case(
        "reference without a Secret",
        {"platform_credentials_from": {"openai_api_key": {"key": "a"}}},
        ("platform_credentials_from.openai_api_key.secret", "is missing"),
    ),
    Case(
        "unknown key of a reference",
        {"platform_credentials_from": {"openai_api_key": {"secret": "ai", "kye": "a"}}},
        ("platform_credentials_from.openai_api_key.kye", 'Did you mean "key"'),
    ),
    Case(
        "reference to the platform's own Secret",
        {"platform_credentials_from": {"openai_api_key": {"secret": "platform-credentials"}}},
        ("openai_api_key.secret", "the Secret that the platform writes"),
    ),
    Case(
        "reference of a credential that nobody uses",
        {"platform_credentials_from": {"openai_apikey": {"secret": "ai"}}},
        ("platform_credentials_from.openai_apikey", "no component uses", 'Did you mean "openai_api_key"'),
    ),
    Case(
        "reference and value",
        prod() | {"platform_credentials_from": {"openai_api_key": {"secret": "ai"}}},
        ("platform_credentials_from.openai_api_key", "gives a value", "Remove one"),
        (REAL["openai_api_key"],),
    ),
    Case(
        "references beside a Secret of all",
        {"platform_existing_secret": "mine", "platform_credentials_from": {"openai_api_key": {"secret": "ai"}}},
        ('platform_existing_secret = "mine"', "openai_api_key", "empty text"),
    ),
    Case(
        "references are a list",
        {"platform_credentials_from": [1]},
        ("platform_credentials_from", "is not a dictionary"),
    ),
    Case(
        "kept object without a kind",
        {"platform_prune_keep": ["legacy"]},
        ('platform_prune_keep[0] = "legacy"', "Kind/name", "ConfigMap/legacy"),
    ),
    Case(
        "data of an object without a name",
        {"platform_prune_data": ["persistentvolumeclaim/x"]},
        ("platform_prune_data[0]", "does not name an object"),
    ),
    Case(
        "object that is kept and let go",
        {"platform_prune_data": ["Secret/a"], "platform_prune_keep": ["ConfigMap/b", "Secret/a"]},
        ('platform_prune_keep = "Secret/a"', "Remove it from one"),
    ),
    Case("no replica", service(scaling={"min_replicas": 0}), ("scaling.min_replicas = 0", "outside 1")),
    Case(
        "request above limit",
        service(resources={"requests": {"memory": "1Gi"}}),
        ("tool.resources.requests.memory", '"1Gi"', "above the limit of 512Mi"),
    ),
    Case(
        "malformed quantity", service(resources={"limits": {"memory": "512MB"}}), ("limits.memory", '"512MB"', "256Mi")
    ),
    Case("millibytes", service(resources={"limits": {"memory": "512m"}}), ("limits.memory", "fraction of a byte")),
    Case(
        "bytes by mistake", service(resources={"limits": {"memory": 512}}), ("limits.memory = 512", "too little memory")
    ),
    Case("cores by mistake", service(resources={"limits": {"cpu": 1000}}), ("limits.cpu = 1000", '"1000m"')),
    Case("negative quantity", service(resources={"requests": {"cpu": "-1"}}), ("requests.cpu", "not above zero")),
    Case("unknown resource", service(resources={"limits": {"ram": "1Gi"}}), ("limits.ram", "is no resource")),
    Case("limits missing", service(resources={"limits": {"cpu": None}}), ("limits.cpu", "is missing", "250m")),
    Case(
        "reserved name",
        {"platform_services_overrides": {"postgres": {"port": 4000}}},
        ("platform_services.postgres", "reserved name", "Choose another name"),
    ),
    Case("invalid name", {"platform_services_overrides": {"My_Part": {}}}, ("My_Part", "no valid name", "lower-case")),
    Case(
        "name too long", {"platform_services_overrides": {"p" * 60: {}}}, ("68 characters of at most 63", "at most 55")
    ),
    Case(
        "names that meet",
        {"platform_services_overrides": {"tool-service": {"tier": "frontend", "port": 4001}}},
        ('object name "tool-service"', "Rename one"),
    ),
    Case("misspelt key of an entry", service(resorces={}), ("tool.resorces", 'Did you mean "resources"')),
    Case(
        "misspelt nested key",
        service(scaling={"max_replica": 3}),
        ("scaling.max_replica", 'Did you mean "max_replicas"'),
    ),
    Case("replicas beside an HPA", service(replicas=3), ("tool.replicas", "scaling.min_replicas")),
    Case(
        "entry is no dictionary",
        {"platform_services_overrides": {"tool": "x"}},
        ("platform_services.tool", "dictionary"),
    ),
    Case("host taken", service(exposed="api"), ("exposed", "where gateway answers already")),
    Case("host unknown", service(exposed="apis"), ("exposed", 'Did you mean "api"')),
    Case("probes alike", service(probes={"readiness": "/health"}), ("probes.readiness", "path of its own")),
    Case("probe without slash", service(probes={"liveness": "health"}), ("probes.liveness", "begins with /")),
    Case("grace too short", service(termination_grace_period_seconds=5), ("grace_period_seconds = 5", "15 to 3600")),
    Case("env of the platform", service(env={"PORT": 1}), ("tool.env.PORT", "set by the platform")),
    Case("secret in env", service(env={"STRIPE_API_KEY": "k"}), ("env.STRIPE_API_KEY", "under secrets"), ('"k"',)),
    Case("misspelt credential", service(secrets=["openai_api_kye"]), ("tool.secrets", 'Did you mean "openai_api_key"')),
    Case("store credential listed", service(secrets=["qdrant_api_key"]), ("tool.secrets", "under uses")),
    Case("image not in the map", service(image="toool"), ("tool.image", "platform_images.toool")),
    Case(
        "image without version",
        {"platform_images": {"tool": "a/b"}},
        ("platform_images.tool", "neither tag nor digest"),
    ),
    Case("malformed image", {"platform_images": {"tool": "A/b:1"}}, ("platform_images.tool", "no image reference")),
    Case(
        "registry with scheme",
        {"platform_image_registry": "https://x.org"},
        ("platform_image_registry", "without a scheme"),
    ),
    Case("misspelt variable", {"platform_domian": "x.org"}, ("platform_domian", 'Did you mean "platform_domain"')),
    Case(
        "variable of a tier misspelt",
        {"nats_max_payloud": "1Mi"},
        ("nats_max_payloud", 'Did you mean "nats_max_payload"'),
    ),
    Case(
        "environment unknown", {"platform_environment": "production"}, ("platform_environment", 'Did you mean "prod"')
    ),
    Case("boolean misspelt", {"platform_wait": "flase"}, ("platform_wait", '"flase"', "true or false")),
    Case("number misspelt", {"platform_wait_timeout": "10m"}, ("platform_wait_timeout", '"10m"', "whole number")),
    Case("timeout of nothing", {"platform_wait_timeout": 0}, ("platform_wait_timeout = 0", "outside 1")),
    Case("namespace of the cluster", {"platform_namespace": "kube-system"}, ("platform_namespace", "multi-agent")),
    Case("namespace malformed", {"platform_namespace": "Multi_Agent"}, ("platform_namespace", "no namespace name")),
    Case(
        "domain with scheme", {"platform_domain": "https://x.org"}, ("platform_domain", "no DNS name", "without scheme")
    ),
    Case("label of the platform", {"platform_labels": {"app": "x"}}, ("platform_labels.app", "sets itself")),
    Case("secret in the config", {"platform_config": {"DB_PASSWORD": "hunter2"}}, ("DB_PASSWORD",), ("hunter2",)),
    Case(
        "Qdrant of two",
        {"platform_stores_overrides": {"qdrant": {"replicas": 2}}},
        ("qdrant.replicas = 2", "no quorum"),
    ),
    Case(
        "more copies of shards than Qdrant has members",
        {"platform_stores_overrides": {"qdrant": {"replicas": 3, "replication_factor": 4}}},
        (
            "platform_stores.qdrant.replication_factor = 4",
            "Qdrant has 3 replicas: raise platform_stores.qdrant.replicas",
        ),
    ),
    Case(
        "replication factor of another store",
        {"platform_stores_overrides": {"nats": {"replication_factor": 3}}},
        ("platform_stores.nats.replication_factor", "is not a known key"),
    ),
    Case(
        "more copies of streams than NATS servers",
        {"platform_config": {"NATS_STREAM_REPLICAS": 3}},
        ("platform_config.NATS_STREAM_REPLICAS = 3", "1 NATS server can keep", "raise platform_stores.nats.replicas"),
    ),
    Case(
        "more copies of streams in one component",
        {
            "platform_stores_overrides": {"nats": {"replicas": 3}},
            **service(env={"NATS_STREAM_REPLICAS": "5"}),
        },
        (".env.NATS_STREAM_REPLICAS", "3 NATS servers can keep", "Give a number from 1 to 3"),
    ),
    Case(
        "more copies than a stream can have",
        {"platform_stores_overrides": {"nats": {"replicas": 7}}, "platform_config": {"NATS_STREAM_REPLICAS": 7}},
        ("platform_config.NATS_STREAM_REPLICAS = 7", "Give a number from 1 to 5"),
    ),
    Case(
        "flush without a unit",
        {"nats_sync_interval": "10"},
        ("nats_sync_interval", '"10"', "Write always, or a number"),
    ),
    Case(
        "Postgres of two", {"platform_stores_overrides": {"postgres": {"replicas": 2}}}, ("postgres.replicas", "Set 1")
    ),
    Case(
        "storage malformed",
        {"platform_stores_overrides": {"postgres": {"storage": {"size": "10GB"}}}},
        ("postgres.storage.size", '"10GB"'),
    ),
    Case(
        "storage key misspelt",
        {"platform_stores_overrides": {"nats": {"storage": {"sise": "1Gi"}}}},
        ('Did you mean "size"',),
    ),
    Case(
        "credential missing in prod", prod(jwt_secret=None), ("platform_credentials.jwt_secret", "prod generates none")
    ),
    Case("credential empty in prod", prod(openai_api_key=""), ("openai_api_key", "is empty")),
    Case("short JWT", prod(jwt_secret="kD8sPq2LmZ"), ("jwt_secret", "10 characters of at least 32"), ("kD8sPq2LmZ",)),
    Case(
        "placeholder", prod(openai_api_key="your-openai-api-key"), ("openai_api_key", "placeholder"), ("your-openai",)
    ),
    Case(
        "another placeholder", prod(postgres_password="ChangeMe"), ("postgres_password", "placeholder"), ("ChangeMe",)
    ),
    Case("repetition", prod(jwt_secret="ab" * 20), ("jwt_secret", "repeats"), ("abab",)),
    Case(
        "line break", prod(jwt_secret=REAL["jwt_secret"] + "\n"), ("jwt_secret", "white space"), (REAL["jwt_secret"],)
    ),
    Case("credential that nothing uses", prod(opnai_api_key="x"), ("opnai_api_key", 'Did you mean "openai_api_key"')),
    Case(
        "generated in prod",
        prod() | {"platform_generate_credentials": True},
        ("platform_generate_credentials", "refused in prod"),
    ),
    Case(
        "Secret and values",
        prod() | {"platform_existing_secret": "mine"},
        ("platform_existing_secret", "gives values too"),
    ),
    Case("route without a Gateway", {"ingress_kind": "HTTPRoute"}, ("ingress_parents", "names no Gateway")),
    Case("limit of a request", {"ingress_request_timeout": "5 minutes"}, ("ingress_request_timeout", "such as 90s")),
    Case(
        "days", {"ingress_request_timeout": "1d"}, ("ingress_request_timeout", "is not a duration", "0s for no limit")
    ),
    Case("limit of a request by Ingress", {"ingress_request_timeout": "5m"}, ("Ingress has no field", "annotations")),
    Case("idle limit of nothing", {"ingress_idle_timeout": "0s"}, ("ingress_idle_timeout", "leave it empty")),
    Case(
        "idle limit of an HTTPRoute",
        {"ingress_kind": "HTTPRoute", "ingress_parents": [{"name": "public"}], "ingress_idle_timeout": "1h"},
        ("ingress_idle_timeout", "has no field for it", "docs/guide/edge.md"),
    ),
    Case(
        "load balancer that is no network",
        {"netpol_ingress_cidrs": ["10.0.0.1/8"]},
        ('netpol_ingress_cidrs[0] = "10.0.0.1/8"', "is no CIDR"),
    ),
    Case("issuer without a Secret", {"ingress_issuer": {"name": "x"}}, ("ingress_issuer", "ingress_tls_secret")),
    Case("CIDR with host bits", {"netpol_dns_cidrs": ["10.0.0.1/8"]}, ("netpol_dns_cidrs[0]", "no CIDR")),
    Case(
        "hole outside its block",
        {"netpol_internet_blocks": [{"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}]},
        ("except[0]", "not inside 10.0.0.0/8"),
    ),
    Case("message too large", {"nats_max_payload": "1Gi"}, ("nats_max_payload", "at most 64Mi")),
    Case("version malformed", {"platform_server_version_minimum": "v1"}, ("platform_server_version_minimum", '"1.34"')),
]


def check(specs: Specs, values: dict[str, Any], given: dict[str, Any]) -> Problems:
    everything = values | given
    problems = Problems()
    known = specs.options
    check_inputs(specs, everything, {k: v for k, v in everything.items() if k in known}, problems)
    return problems


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_is_refused_with_the_remedy(case: Case, specs: Specs, values: dict[str, Any]) -> None:
    text = str(check(specs, values, case.given))
    for part in case.says:
        assert part in text
    for secret in case.hides:
        assert secret not in text


GOOD = [
    {},
    service(port="3003", internet="false", scaling={"min_replicas": "3", "max_replicas": "3"}),
    {"platform_wait": "false", "platform_wait_timeout": "60", "platform_generate_credentials": "yes"},
    {"platform_stores_overrides": {"qdrant": {"replicas": "3"}, "nats": {"replicas": 5}}},
    {"platform_stores_overrides": {"qdrant": {"replicas": 3, "replication_factor": "3"}}},
    {"platform_stores_overrides": {"nats": {"replicas": 3}}, "platform_config": {"NATS_STREAM_REPLICAS": 1}},
    {"nats_sync_interval": "500ms"},
    {"ingress_request_timeout": "0s", "ingress_idle_timeout": "90s"},
    {"ingress_kind": "HTTPRoute", "ingress_parents": [{"name": "public"}], "ingress_request_timeout": "1h30m"},
    {"ingress_api_timeout": "0s"},
    prod(),
    prod(postgres_password_tool="kE5rT9yU2iO7pA4s"),
    prod(openai_api_key=None) | {"platform_credentials_from": {"openai_api_key": {"secret": "ai", "key": "open.ai"}}},
    {"platform_environment": "prod", "platform_generate_credentials": "false", "platform_existing_secret": "mine"},
    {"platform_environment": "prod", "platform_generate_credentials": False, "platform_render_to": "build"},
    {"ingress_kind": "HTTPRoute", "ingress_parents": [{"name": "public"}]},
    {"platform_services_overrides": {"vector": None, "orchestration": {"calls": ["agent", "tool"]}}},
]


@pytest.mark.parametrize("given", GOOD, ids=str)
def test_is_accepted(given: dict[str, Any], specs: Specs, values: dict[str, Any]) -> None:
    problems = check(specs, values, given)
    assert not problems, str(problems)


def test_everything_is_said_at_once(specs: Specs, values: dict[str, Any]) -> None:
    problems = check(specs, values, service(port=1, calls=["x"]) | {"platform_domian": "x", "platform_wait": "maybe"})
    assert len(problems.found) == 4
    assert all(str(problem).count("\n") == 0 for problem in problems.found)
