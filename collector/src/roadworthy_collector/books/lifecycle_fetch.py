"""A newer dump of endoflife.date fetched for the command line; the API takes a file's bytes and fetches nothing.

Only https, also after a redirect; bounded in size and time; the answer's status is checked before its body is read.
"""

from __future__ import annotations

import httpx

from roadworthy_collector.books.lifecycle_dates import LARGEST_DUMP_BYTES
from roadworthy_collector.errors import RoadworthyError

ADDRESS = "https://endoflife.date/api/v1/products/full"
_MOST_REDIRECTS = 5
_CONNECT_SECONDS, _READ_SECONDS = 15.0, 60.0


def fetch(address: str, client: httpx.Client | None = None) -> bytes:
    """Return the body at an https address; RoadworthyError where it cannot be had or is not what was meant."""
    timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    try:
        with client or httpx.Client(timeout=timeout, follow_redirects=False) as opened:
            for _ in range(_MOST_REDIRECTS + 1):
                _ensure_https(address)
                with opened.stream("GET", address, headers={"Accept": "application/json"}) as answer:
                    if not answer.is_redirect:
                        return _body(answer, address)
                    address = str(answer.url.join(answer.headers.get("location", "")))
    except httpx.InvalidURL as error:
        raise RoadworthyError(f"{address}: is no address ({error})") from None
    except httpx.HTTPError as error:
        raise RoadworthyError(
            f"{address}: cannot be fetched ({error}); without a way out, download it elsewhere and give the file"
        ) from None
    raise RoadworthyError(f"{address}: sends on more than {_MOST_REDIRECTS} times")


def _ensure_https(address: str) -> None:
    if httpx.URL(address).scheme != "https":
        raise RoadworthyError(f"{address}: only https addresses are fetched, also after a redirect")


def _body(answer: httpx.Response, address: str) -> bytes:
    if answer.status_code != httpx.codes.OK:
        raise RoadworthyError(f"{address}: answered {answer.status_code}; the address is {ADDRESS}")
    found = bytearray()
    for piece in answer.iter_bytes():
        found += piece
        if len(found) > LARGEST_DUMP_BYTES:
            raise RoadworthyError(f"{address}: sends more than {LARGEST_DUMP_BYTES // 2**20} MiB")
    return bytes(found)
