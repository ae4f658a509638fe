"""ModelMonitor: drift, performance with and without labels, calibration, alerts."""

from __future__ import annotations

from ml_utils.monitoring.monitor import ModelMonitor

__all__ = ["ModelMonitor"]
