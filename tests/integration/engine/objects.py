"""Objects of every kind that the roles template and of many more, with fields that the server completes or rewrites."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

IMAGE = "registry.example.test/app:1"
HARDENED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def make(api_version: str, kind: str, name: str, /, **fields: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def container(name: str = "main", **fields: Any) -> Object:
    """A container as the roles write one: quantities that the server spells differently, partial probes, references."""
    return {
        "name": name,
        "image": IMAGE,
        "command": ["/app"],
        "args": ["--listen", ":3000"],
        "ports": [{"name": "http", "containerPort": 3000}, {"containerPort": 9090, "protocol": "TCP"}],
        "env": [
            {"name": "EMPTY", "value": ""},
            {"name": "PLAIN", "value": "x"},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "containerName": name}}},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "password"}}},
        ],
        "envFrom": [{"configMapRef": {"name": "config"}}, {"prefix": "X_", "configMapRef": {"name": "config"}}],
        "resources": {
            "requests": {"cpu": "0.5", "memory": "1024Mi", "ephemeral-storage": "64Mi"},
            "limits": {"cpu": 2, "memory": "2Gi", "ephemeral-storage": "0.5Gi"},
        },
        "livenessProbe": {"httpGet": {"path": "/health", "port": "http"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 3000, "httpHeaders": [{"name": "X", "value": "1"}]}},
        "startupProbe": {"tcpSocket": {"port": 3000}, "failureThreshold": 30},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "securityContext": HARDENED,
        "volumeMounts": [
            {"name": "scratch", "mountPath": "/tmp"},
            {"name": "config", "mountPath": "/etc/app", "readOnly": True},
        ],
        **fields,
    }


def pod_spec(**fields: Any) -> Object:
    return {
        "serviceAccountName": "account",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostNetwork": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container()],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app": "x"}},
            }
        ],
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 100,
                        "podAffinityTerm": {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}]},
                        },
                    }
                ]
            }
        },
        "tolerations": [{"key": "dedicated", "value": "platform", "effect": "NoSchedule"}],
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": "1024Mi"}},
            {"name": "plain", "emptyDir": {}},
            {"name": "config", "configMap": {"name": "config", "items": [{"key": "a", "path": "a.conf"}]}},
            {"name": "secret", "secret": {"secretName": "secret"}},
            {
                "name": "projected",
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token", "audience": "app"}},
                        {"secret": {"name": "secret", "items": [{"key": "password", "path": "PASSWORD"}]}},
                        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                    ]
                },
            },
        ],
        **fields,
    }


def template(name: str, **fields: Any) -> Object:
    return {
        "metadata": {"labels": {"app": name}, "annotations": {"checksum/config": "0123456789abcdef"}},
        "spec": pod_spec(**fields),
    }


def selector(name: str) -> Object:
    return {"matchLabels": {"app": name}}


def configuration() -> list[Object]:
    """What the pods of the other samples refer to."""
    return [
        make("v1", "ConfigMap", "config", data={"a": "1", "empty": "", "b": "two\nlines\n"}, binaryData={"c": "AAEC"}),
        make("v1", "Secret", "secret", type="Opaque", stringData={"password": "correct horse", "empty": ""}),
        make("v1", "ServiceAccount", "account", automountServiceAccountToken=False),
        make("v1", "ServiceAccount", "puller", imagePullSecrets=[{"name": "registry"}], secrets=[{"name": "token"}]),
    ]


def policies() -> list[Object]:
    """Access, quotas and network rules."""
    everyone = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    return [
        make(
            "rbac.authorization.k8s.io/v1",
            "Role",
            "reader",
            rules=[{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]}],
        ),
        make(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "reader",
            roleRef=everyone,
            subjects=[
                {"kind": "ServiceAccount", "name": "account", "namespace": "x"},
                {"kind": "User", "name": "jane"},
            ],
        ),
        make(
            "v1",
            "ResourceQuota",
            "quota",
            spec={"hard": {"pods": "100", "requests.cpu": "100.5", "limits.memory": "1024Gi", "count/jobs.batch": 20}},
        ),
        make(
            "v1",
            "LimitRange",
            "limits",
            spec={
                "limits": [
                    {
                        "type": "Container",
                        "default": {"cpu": "0.5", "memory": "1024Mi"},
                        "defaultRequest": {"cpu": 0.1},
                        "max": {"cpu": 32},
                    }
                ]
            },
        ),
        make(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "policy",
            spec={
                "podSelector": {},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [
                    {
                        "from": [{"namespaceSelector": {}, "podSelector": selector("x")}, {"podSelector": {}}],
                        "ports": [{"port": 3000}, {"port": "http", "protocol": "TCP"}],
                    }
                ],
                "egress": [
                    {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}], "ports": [{"port": 443}]},
                    {"to": [], "ports": [{"port": 53, "protocol": "UDP"}]},
                ],
            },
        ),
        make("networking.k8s.io/v1", "NetworkPolicy", "deny", spec={"podSelector": {}, "policyTypes": ["Ingress"]}),
    ]


def network() -> list[Object]:
    """Services and routes."""
    return [
        make(
            "v1",
            "Service",
            "service",
            spec={"selector": {"app": "x"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        ),
        make(
            "v1",
            "Service",
            "headless",
            spec={
                "clusterIP": "None",
                "publishNotReadyAddresses": False,
                "selector": {"app": "x"},
                "ports": [{"name": "a", "port": 53, "protocol": "UDP"}, {"name": "b", "port": 53}],
            },
        ),
        make(
            "v1",
            "Service",
            "node-port",
            spec={
                "type": "NodePort",
                "selector": {"app": "x"},
                "ports": [{"port": 80}],
                "sessionAffinity": "ClientIP",
            },
        ),
        make(
            "networking.k8s.io/v1",
            "Ingress",
            "ingress",
            spec={
                "ingressClassName": "nginx",
                "defaultBackend": {"service": {"name": "service", "port": {"name": "http"}}},
                "tls": [{"hosts": ["api.example.test"], "secretName": "tls"}],
                "rules": [
                    {
                        "host": "api.example.test",
                        "http": {
                            "paths": [
                                {
                                    "path": "/",
                                    "pathType": "Prefix",
                                    "backend": {"service": {"name": "service", "port": {"number": 80}}},
                                },
                                {
                                    "path": "/exact",
                                    "pathType": "Exact",
                                    "backend": {"resource": {"apiGroup": "v1", "kind": "Bucket", "name": "b"}},
                                },
                            ]
                        },
                    }
                ],
            },
        ),
        make(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            "slice",
            addressType="IPv4",
            ports=[{"port": 5432}, {"name": "b", "port": 5433, "protocol": "TCP"}],
            endpoints=[{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}],
        ),
    ]


def storage() -> list[Object]:
    return [
        make(
            "v1",
            "PersistentVolumeClaim",
            "claim",
            spec={
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "",
                "resources": {"requests": {"storage": "1024Mi"}},
            },
        ),
    ]


def workloads() -> list[Object]:
    """Workloads of every controller."""
    return [
        make(
            "apps/v1",
            "Deployment",
            "deployment",
            spec={
                "revisionHistoryLimit": 3,
                "minReadySeconds": 0,
                "selector": selector("deployment"),
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
                "template": template("deployment"),
            },
        ),
        make(
            "apps/v1",
            "StatefulSet",
            "stateful",
            spec={
                "serviceName": "headless",
                "replicas": 1,
                "podManagementPolicy": "Parallel",
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                "selector": selector("stateful"),
                "template": template("stateful"),
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "data"},
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": "1024Mi"}},
                        },
                    }
                ],
            },
        ),
        make(
            "apps/v1",
            "DaemonSet",
            "daemon",
            spec={
                "selector": selector("daemon"),
                "updateStrategy": {"rollingUpdate": {"maxUnavailable": "10%"}},
                "template": template("daemon", nodeSelector={"none": "such"}),
            },
        ),
        make(
            "apps/v1",
            "ReplicaSet",
            "replica",
            spec={"replicas": 0, "selector": selector("replica"), "template": template("replica")},
        ),
        make(
            "batch/v1",
            "Job",
            "job",
            spec={
                "backoffLimit": 2,
                "suspend": True,
                "ttlSecondsAfterFinished": 3600,
                "podFailurePolicy": {
                    "rules": [
                        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
                        {
                            "action": "FailJob",
                            "onExitCodes": {"containerName": "main", "operator": "In", "values": [2, 42]},
                        },
                    ]
                },
                "template": {"spec": pod_spec(restartPolicy="Never")},
            },
        ),
        make(
            "batch/v1",
            "CronJob",
            "cron",
            spec={
                "schedule": "15 3 * * *",
                "timeZone": "Etc/UTC",
                "suspend": True,
                "startingDeadlineSeconds": 300,
                "jobTemplate": {"spec": {"template": {"spec": pod_spec(restartPolicy="OnFailure")}}},
            },
        ),
        make("v1", "Pod", "pod", spec=pod_spec()),
    ]


def edges() -> list[Object]:
    """What refers to workloads."""
    return [
        make(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "scaler",
            spec={
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "deployment"},
                "minReplicas": 2,
                "maxReplicas": 10,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                    },
                    {
                        "type": "Resource",
                        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1024Mi"}},
                    },
                ],
                "behavior": {
                    "scaleDown": {
                        "stabilizationWindowSeconds": 300,
                        "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}],
                    }
                },
            },
        ),
        make(
            "policy/v1",
            "PodDisruptionBudget",
            "budget",
            spec={"maxUnavailable": 1, "selector": selector("deployment"), "unhealthyPodEvictionPolicy": "AlwaysAllow"},
        ),
        make(
            "coordination.k8s.io/v1",
            "Lease",
            "lease",
            spec={"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.000000Z"},
        ),
    ]


def namespaced() -> list[Object]:
    """Everything above."""
    return [*configuration(), *policies(), *network(), *storage(), *workloads(), *edges()]


def cluster_wide(suffix: str) -> list[Object]:
    """Cluster-scoped kinds; ``suffix`` keeps the names of two tests apart, and the rules match nothing."""
    never = {"matchLabels": {"no-such-label": suffix}}
    operations = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    hook = {
        "name": "check.example.test",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "clientConfig": {"service": {"namespace": "default", "name": "none", "path": "/x"}},
        "rules": [operations],
        "namespaceSelector": never,
        "objectSelector": never,
        "matchConditions": [{"name": "never", "expression": "false"}],
    }
    return [
        make("scheduling.k8s.io/v1", "PriorityClass", f"priority-{suffix}", value=1000, description="for tests"),
        make(
            "storage.k8s.io/v1",
            "StorageClass",
            f"storage-{suffix}",
            provisioner="example.test/none",
            parameters={"type": "fast"},
            allowVolumeExpansion=True,
        ),
        make(
            "networking.k8s.io/v1",
            "IngressClass",
            f"ingress-{suffix}",
            spec={
                "controller": "example.test/none",
                "parameters": {"apiGroup": "example.test", "kind": "Parameters", "name": "x"},
            },
        ),
        make(
            "v1",
            "PersistentVolume",
            f"volume-{suffix}",
            spec={
                "capacity": {"storage": "1024Mi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": f"storage-{suffix}",
                "hostPath": {"path": "/nowhere"},
            },
        ),
        make(
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            f"test:reader-{suffix}",
            rules=[{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
        ),
        make(
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            f"test:sum-{suffix}",
            aggregationRule={"clusterRoleSelectors": [never]},
        ),
        make(
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            f"test:reader-{suffix}",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"test:reader-{suffix}"},
            subjects=[{"kind": "Group", "name": "nobody"}],
        ),
        make(
            "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", f"validate-{suffix}", webhooks=[hook]
        ),
        make(
            "admissionregistration.k8s.io/v1",
            "MutatingWebhookConfiguration",
            f"mutate-{suffix}",
            webhooks=[hook, {**hook, "name": "second.example.test", "timeoutSeconds": 3}],
        ),
        make(
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicy",
            f"policy-{suffix}",
            spec={
                "matchConstraints": {"resourceRules": [operations], "namespaceSelector": never},
                "variables": [{"name": "images", "expression": "object.spec.template.spec.containers.map(c, c.image)"}],
                "validations": [{"expression": "variables.images.all(i, i.contains('@'))", "message": "by digest"}],
            },
        ),
        make(
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicyBinding",
            f"policy-{suffix}",
            spec={"policyName": f"policy-{suffix}", "validationActions": ["Warn"]},
        ),
        definition(suffix),
        make(f"test-{suffix}.example.test/v1", "Widget", "widget", spec=WIDGET),
    ]


WIDGET: Object = {
    "size": 3,
    "parts": [{"name": "a"}, {"name": "b", "weight": 2}],
    "tags": ["x", "y"],
    "route": [{"to": "service"}],
    "env": [{"name": "A", "value": "x"}],
    "free": {"any": {"thing": [1, "two"]}},
    "zero": 0,
    "off": False,
    "text": "",
}


def definition(suffix: str) -> Object:
    """A custom resource with schema defaults, and with a keyed, a set-like and an atomic list."""
    text, number = {"type": "string"}, {"type": "integer"}
    properties = {
        "size": number,
        "mode": {**text, "default": "auto"},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": text, "weight": {**number, "default": 1}},
            },
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
        "route": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"to": text, "group": {**text, "default": "example"}, "port": {**number, "default": 80}},
            },
        },
        "env": {"type": "array", "items": {"type": "object", "properties": {"name": text, "value": text}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "zero": number,
        "off": {"type": "boolean"},
        "text": text,
    }
    group = f"test-{suffix}.example.test"
    return make(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"widgets.{group}",
        spec={
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": {"type": "object", "properties": properties}},
                        }
                    },
                }
            ],
        },
    )
