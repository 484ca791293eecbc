"""A finished recording in words."""

from __future__ import annotations

from itertools import groupby

from roadworthy_agent.recording.record import LeftOut, Recording
from roadworthy_agent.show import size, wrapped

MOST = 30  # lines of what was left out


def text(made: Recording) -> str:
    """Return what was written, what was left out and why, and what to do before sharing it."""
    lines = [
        f"Wrote {len(made.files)} files ({size(made.size_bytes)}) of this {made.platform} device to {made.folder}:"
    ]
    lines += _folders(made.files)
    if made.replaced:
        kinds = ", ".join(
            f"{number} {_plural(kind, number)}" for kind, number in sorted(made.replaced.items())
        )
        lines += wrapped(
            f"Stand-ins took the place of {kinds}: account and host names, serial numbers, addresses.",
            first="", rest="  ",
        )  # fmt: skip
    if made.left_out:
        lines += ["", "Left out:"]
        for each in made.left_out[:MOST]:
            lines += _line(each)
        if len(made.left_out) > MOST:
            lines.append(f"  and {len(made.left_out) - MOST} more, see --json")
    lines += [
        "",
        (
            "Nothing was sent. Look at the files before you share them: names nobody told this program of may be "
            "left, and the times of start-ups and sign-ins are the true ones."
        ),
        f"See what they tell: roadworthy-agent once --root {made.folder}",
    ]
    return "\n".join(lines)


def _folders(files: tuple[str, ...]) -> list[str]:
    """Return the files by the first two parts of their paths."""
    grouped = groupby(files, key=lambda path: "/".join(path.split("/")[:2]))
    return [
        f"  {top}" if len(paths) == 1 and paths[0] == top else f"  {top}/ ({len(paths)} files)"
        for top, paths in ((top, list(paths)) for top, paths in grouped)
    ]


def _line(each: LeftOut) -> list[str]:
    return wrapped(f"{each.what}: {each.why}", first="  ", rest="    ")


def _plural(word: str, number: int) -> str:
    if number == 1:
        return word
    return f"{word}es" if word.endswith("s") else f"{word}s"
