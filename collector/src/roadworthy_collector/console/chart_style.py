"""The colours of charts, the one style a chart carries, and the content security policy that allows that style alone.

Apart from `drawing`, because the serving process sends the policy and never loads the drawing library.
"""

from __future__ import annotations

import base64
import hashlib

# The colours of the light scheme and what the dark scheme makes of them.
TEXT, MUTED, GRID, CARD = "#1a2530", "#51606f", "#dde3e9", "#ffffff"
PURPLE, ROSE, BLUE, TEAL, AMBER, PALE = "#5f4bb0", "#b03a76", "#1268b3", "#0d7f73", "#a85f00", "#7ea6cc"
DARK = {
    TEXT: "#e7edf3",
    MUTED: "#a9b6c4",
    GRID: "#2b3744",
    CARD: "#17202a",
    PURPLE: "#ab9df2",
    ROSE: "#ee8fbc",
    BLUE: "#68b4f5",
    TEAL: "#45c9b6",
    AMBER: "#f0ad4e",
    PALE: "#5c7fa3",
}
_RULES = "".join(
    f'[fill="{light}"]{{fill:{dark}}}[stroke="{light}"]{{stroke:{dark}}}' for light, dark in DARK.items()
)
# What stands between <style> and </style> of every chart. Raise `charts.DRAWING` with it: pictures drawn with another
# style would stay light under the policy below.
STYLE = f"@media (prefers-color-scheme:dark){{{_RULES}}}"
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# Of a picture opened by itself: that very style may apply, by its hash, and nothing else may happen.
POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; sandbox"
