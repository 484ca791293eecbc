"""Takes the agents' reports in."""
