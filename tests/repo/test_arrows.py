"""Who may import whom. A broken arrow is printed as the chain of modules that makes it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEMBERS = {
    "roadworthy_agent": ROOT / "agent/src",
    "roadworthy_inventory": ROOT / "inventory/src",
    "roadworthy_collector": ROOT / "collector/src",
    "roadworthy_dashboards": ROOT / "dashboards/src",
}
# What each member may import besides the standard library and itself; None means: whatever its own
# pyproject.toml names, but of ours only what stands in OURS.
ALLOWED = {
    "roadworthy_agent": {"psutil", "jeepney"},
    "roadworthy_inventory": {"tzdata", "numpy", "python_calamine"},
    "roadworthy_collector": None,
    "roadworthy_dashboards": {
        *("grafana_client", "grafana_foundation_sdk", "promql_parser", "requests", "typer", "yaml")
    },
}
OURS = {
    "roadworthy_agent": set(),
    "roadworthy_inventory": set(),
    "roadworthy_collector": {"roadworthy_inventory"},
    "roadworthy_dashboards": set(),
}
# The domain does no I/O: modules that open files, sockets or processes, read clocks, or talk to databases.
NOT_FOR_THE_DOMAIN = {
    "os",
    "socket",
    "subprocess",
    "sqlite3",
    "urllib.request",
    "http",
    "time",
    "asyncio",
    "threading",
}


def imports_of(path: Path) -> Iterator[str]:
    """Yield the full dotted name of everything the module at `path` imports, at any depth of its code."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the arrow; name the package"
            yield node.module or ""


def modules(package: str) -> dict[str, Path]:
    base = MEMBERS[package]
    found = {}
    for path in sorted((base / package).rglob("*.py")):
        name = ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path
    return found


def chains_to(package: str, forbidden: str) -> list[str]:
    """Return `a -> b -> forbidden` for every module of `package` that imports `forbidden` itself."""
    known = modules(package)
    importers: dict[str, list[str]] = {}
    for name, path in known.items():
        for target in imports_of(path):
            importers.setdefault(target, []).append(name)
    chains = []
    for name, path in known.items():
        if any(target.split(".")[0] == forbidden for target in imports_of(path)):
            chain = [name, forbidden]
            while above := [above for above in importers.get(chain[0], []) if above not in chain]:
                chain.insert(0, above[0])
            chains.append(" -> ".join(chain))
    return chains


@pytest.mark.parametrize("package", MEMBERS)
def test_member_imports_only_what_its_arrows_allow(package: str) -> None:
    seen = {target.split(".")[0] for path in modules(package).values() for target in imports_of(path)}
    foreign = seen - set(sys.stdlib_module_names) - {package}
    of_ours = {name for name in foreign if name.startswith("roadworthy")}
    broken = of_ours - OURS[package]
    if (allowed := ALLOWED[package]) is not None:
        broken |= foreign - of_ours - allowed
    assert not broken, "\n".join(chain for name in sorted(broken) for chain in chains_to(package, name))


def test_the_domain_does_no_io() -> None:
    for name, path in modules("roadworthy_inventory").items():
        broken = [
            target for target in imports_of(path) if {target, target.split(".")[0]} & NOT_FOR_THE_DOMAIN
        ]
        assert not broken, f"{name} -> {', '.join(broken)}"
        calls = [
            node.func.id
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert "open" not in calls, f"{name} opens a file; data comes through importlib.resources"


def test_the_serving_process_never_loads_the_drawing_libraries() -> None:
    """Drawing costs 135 MB of resident memory: only the jobs process may pay it."""
    code = "import sys, roadworthy_collector.app; print({'altair', 'vl_convert', 'apscheduler'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_broken_arrow_is_named_as_a_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "roadworthy_agent"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "cli.py").write_text("import roadworthy_agent.send\n")
    (package / "send.py").write_text("import requests\n")
    monkeypatch.setitem(MEMBERS, "roadworthy_agent", tmp_path)
    assert chains_to("roadworthy_agent", "requests") == [
        "roadworthy_agent.cli -> roadworthy_agent.send -> requests"
    ]
