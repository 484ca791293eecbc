"""Carbon in the collector: the energy ledger, supplies and meters, factor sets, reports."""
