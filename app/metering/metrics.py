"""Figures of this process, for Prometheus: read from what is counted anyway, when asked."""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from app.metering.meter import Meter


class Figures(Collector):
    """What a meter has counted, beside this process's memory, processor time and files.

    Several workers on one port each answer for themselves; `process_start_time_seconds` tells
    which one did.
    """

    def __init__(self, meter: "Meter") -> None:
        self._meter = meter
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        meter = self._meter
        keys, rates, recorder = meter.keys, meter.rates, meter.recorder
        yield _counter("calls_recorded", "Calls committed to the log.", recorder.recorded)
        yield _counters("answers", "Calls answered here, committed.", "status", recorder.answers)
        yield _counters("refusals", "Problems that were answered.", "code", recorder.refused)
        yield _gauge("recorder_well", "1 if the last batch was written at once.", recorder.is_well)
        yield _gauge("calls_in_work", "Calls that are neither answered nor lost.", recorder.in_work)
        yield _gauge("rows_waiting", "Rows that wait for a batch to end.", recorder.commit.waiting)
        yield _counter("batches", "Batches that were written.", recorder.commit.batches)
        yield _counter(
            "batch_seconds", "What the database took for them.", recorder.commit.batch_seconds
        )
        yield _gauge("keys_cached", "Keys that are remembered.", keys.count)
        yield _gauge("keys_in_use", "Keys that were used lately.", len(keys.in_use()))
        yield _gauge(
            "clock_offset_seconds",
            "The database's time less this machine's; 0 until it was heard.",
            meter.clock.now_ms() / 1000 - time.time(),
        )
        yield _counter("rate_reports_told", "Reports of requests let in, sent.", rates.told)
        yield _counter("rate_reports_heard", "Such reports of other processes.", rates.heard)
        yield from self._process.collect()


def exposition(figures: Figures) -> bytes:
    """The figures in Prometheus' text format 0.0.4."""
    return generate_latest(figures)


def _counter(name: str, said: str, value: float) -> Metric:
    return CounterMetricFamily(f"latchkey_{name}", said, value=value)


def _counters(name: str, said: str, label: str, values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(f"latchkey_{name}", said, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(f"latchkey_{name}", said, value=value)
