"""A simulated IT estate."""
