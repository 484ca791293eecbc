"""What the pages, the metrics and the jobs ask of the tables."""
