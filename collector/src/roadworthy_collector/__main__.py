"""`python -m roadworthy_collector` is `roadworthy`."""

from roadworthy_collector.cli import main

main()
