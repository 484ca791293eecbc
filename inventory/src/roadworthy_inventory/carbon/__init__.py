"""Carbon: energy at the wall, how it is known, and what it emits under dated, sourced factors."""
