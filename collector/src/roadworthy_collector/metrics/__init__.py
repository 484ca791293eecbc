"""Shows the facts to Prometheus."""
