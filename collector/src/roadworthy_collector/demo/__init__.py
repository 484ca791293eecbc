"""The simulated IT estate `roadworthy demo` shows (docs/demo.md): tables, generator, builder, and what keeps it alive."""
