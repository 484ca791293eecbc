"""Takes the pictures of the README from a running collector: `python -m support.take_pictures ADDRESS FOLDER`.

Run it from tests/ with `roadworthy demo` running elsewhere; the pictures say SIMULATED, as they must.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser

from support.browser import PHONE, Scheme, chromium, photograph, visit

_WIDE = {"width": 1280, "height": 1060}
_TALL = {"width": 1280, "height": 1862}  # start-ups and use, no half-cut card below
_ONE_OF = "/devices?state=reporting&class=desktop&sort=report&order=desc"


def _take(
    browser: Browser, origin: str, path: str, target: Path, size: dict[str, int], scheme: Scheme
) -> None:
    with visit(browser, origin, size=size, scheme=scheme) as watched:
        page = watched.open(path)
        if "device" in target.stem:
            complete = page.locator("tbody tr").filter(has_not_text="no data").first
            page = watched.open(complete.locator("a").get_attribute("href") or path)
        photograph(page, target, whole=False)


def main(origin: str, folder: Path) -> None:
    """Write overview, start-ups and a device's page, light and dark, wide and for a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures: list[tuple[str, str, dict[str, int], Scheme]] = [
        ("/", "overview.png", _WIDE, "light"),
        ("/", "overview-dark.png", _WIDE, "dark"),
        ("/startups", "start-ups.png", _WIDE, "light"),
        (_ONE_OF, "device.png", _TALL, "light"),
        (_ONE_OF, "device-phone.png", PHONE, "light"),
    ]
    with chromium() as browser:
        for path, name, size, scheme in pictures:
            _take(browser, origin, path, folder / name, size, scheme)


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), Path(sys.argv[2]))
