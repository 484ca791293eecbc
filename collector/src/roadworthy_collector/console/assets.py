"""The few files pages need: our style, and Swagger UI from its package, so that /docs works offline."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, HTTPException, Request, Response

router = APIRouter(include_in_schema=False)

_OURS = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_OWN_FILES = ("style.css", "docs.js", "docs.css", "favicon.svg")
_SWAGGER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css")


class Asset(NamedTuple):
    """A file as it is sent; `tag` changes with its bytes."""

    body: bytes
    media_type: str
    tag: str


@lru_cache(maxsize=8)
def asset(name: str) -> Asset:
    """Return one of the files named above; raises KeyError for any other name."""
    if name in _OWN_FILES:
        path = _OURS / name
    elif name in _SWAGGER_FILES:
        path = _swagger_folder() / name
    else:
        raise KeyError(name)
    body = path.read_bytes()
    return Asset(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:16])


def _swagger_folder() -> Path:
    # Found without being imported: the package's own code wants frameworks nobody needs here.
    spec = find_spec("swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        raise KeyError("swagger_ui")
    return Path(spec.submodule_search_locations[0]) / "static"


def static_url(name: str) -> str:
    """Return the address of a file; it changes with the file, so browsers may keep it for good."""
    return f"/static/{name}?v={asset(name).tag}"


@router.get("/static/{name}")
def static(name: str, request: Request) -> Response:
    """Serve one of the files named above, for good where the address carries its tag."""
    try:
        found = asset(name)
    except KeyError:
        raise HTTPException(404, "there is no such file") from None
    lasting = request.query_params.get("v") == found.tag
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache",
        "ETag": f'"{found.tag}"',
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type=found.media_type, headers=headers)
