"""The checker of boards and rule files: `roadworthy dashboards lint`.

`rules.py` lists the rules, `run.py` runs them, `exclusions.toml` holds what is let pass and why.
"""
