#!/usr/bin/env bash
# About: OpenTelemetry's histogram for the time of a rendering, with unit="s" as its conventions ask, shown by Prometheus.
# Guess: the default buckets suit the unit: something like 5 ms to 10 s.
# Behaviour: the unit only goes into the name (…_seconds). The buckets are 5, 10, 25 … 10,000 whatever the unit: everything below
#   five seconds is in one bucket, and histogram_quantile answers 2.5 to 4.95 s for renderings of 50 ms. Give
#   explicit_bucket_boundaries_advisory, or a View.
# Versions: opentelemetry-sdk 1.45.2, its Prometheus exporter 0.66b2. Source: the metrics SDK's specification, explicit bucket
#   aggregation, names the boundaries; observed.
source "$(dirname "$0")/sandbox.sh"
packages opentelemetry-sdk==1.45.2 opentelemetry-exporter-prometheus==0.66b2
in_python <<'PYTHON'
import sys
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY

meter = MeterProvider(metric_readers=[PrometheusMetricReader()]).get_meter("pictures")
default = meter.create_histogram("rendering.duration", unit="s")
advised = meter.create_histogram(
    "advised.duration", unit="s", explicit_bucket_boundaries_advisory=[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5])
for histogram in (default, advised):
    for seconds in (0.04, 0.06, 0.2, 0.9, 3.0):
        histogram.record(seconds)

def buckets(name):
    """Upper bound -> how many lie in this bucket alone."""
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples if sample.name == f"{name}_bucket"]
    bounds = sorted((float(sample.labels["le"]), sample.value) for sample in samples)
    return {bound: int(count - before) for (bound, count), (_, before) in zip(bounds, [(0, 0), *bounds]) if count > before}

print("default:", buckets("rendering_duration_seconds"), "advised:", buckets("advised_duration_seconds"))
sys.exit(buckets("rendering_duration_seconds") != {5.0: 5} or len(buckets("advised_duration_seconds")) != 5)
PYTHON
