"""Draws each board from what a real Prometheus answers, so that its shape can be seen without a Grafana."""
