"""The load generator: simulated agents that send real report bodies to a real collector, and a ledger of what it owes.

`bench/ingest.py` is its command line, docs/load.md how to point it at a collector of one's own.
"""
