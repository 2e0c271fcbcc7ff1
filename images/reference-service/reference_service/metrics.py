"""What Prometheus scrapes. One registry for each process, so that tests can have several."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from .settings import Settings

_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


class Metrics:
    """The instruments of a part; times in seconds, as Prometheus asks."""

    def __init__(self, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "http_requests_total", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "http_request_duration_seconds",
            "Time to answer a request",
            ["route"],
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self.in_flight = Gauge("http_requests_in_flight", "Requests being answered now", registry=self.registry)
        self.calls = Counter(
            "platform_calls_total",
            "Calls made to other parts, by outcome (ok, error)",
            ["callee", "transport", "outcome"],
            registry=self.registry,
        )
        self.call_latency = Histogram(
            "platform_call_duration_seconds",
            "Time that a call to another part took, tries included",
            ["callee", "transport"],
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self.retries = Counter(
            "platform_call_retries_total",
            "Calls sent once more after a lost connection",
            ["callee"],
            registry=self.registry,
        )
        self.dependency_up = Gauge(
            "platform_dependency_up", "1 while a dependency answers", ["dependency", "kind"], registry=self.registry
        )
        self.dependency_latency = Gauge(
            "platform_dependency_latency_seconds",
            "The last answer's time",
            ["dependency", "kind"],
            registry=self.registry,
        )
        self.round_trips = Counter(
            "platform_round_trips_total", "Round trips that this part took part in", ["outcome"], registry=self.registry
        )
        self.round_trip_latency = Histogram(
            "platform_round_trip_duration_seconds",
            "Time of this part's leg of a round trip, calls included",
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self.draining = Gauge("platform_draining", "1 from SIGTERM on", registry=self.registry)
        info = Gauge(
            "platform_part_info", "What this process is", ["part", "version", "environment"], registry=self.registry
        )
        info.labels(settings.name, settings.version, settings.environment).set(1)
