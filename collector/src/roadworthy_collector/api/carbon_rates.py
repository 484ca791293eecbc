"""CRC factors and allowance prices proposed from a file; confirmed and withdrawn as factor sets are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from roadworthy_collector.api.calls import PREFIX
from roadworthy_collector.api.carbon_data import Preparer, Proposed
from roadworthy_collector.api.errors import documented
from roadworthy_collector.api.uploads import file_body, work_on
from roadworthy_collector.books.reconciling import local_day
from roadworthy_collector.carbon import crc_rate_store
from roadworthy_collector.store.engine import write_transaction
from roadworthy_inventory.carbon.crc_rates import COLUMNS

_LINE = r"^[^\x00-\x1f\x7f]*$"
_CRC_FILE = file_body(f"CSV, {crc_rate_store.MOST_BYTES:,} bytes at most: {', '.join(COLUMNS)}.")
router = APIRouter(prefix=PREFIX, tags=["carbon"])


@router.post(
    "/carbon/crc-rates",
    summary="Propose CRC factors and prices from a CSV file",
    status_code=201,
    responses=documented(408, 413),
    openapi_extra=_CRC_FILE,
)
async def load_crc_rates(
    call: Preparer,
    request: Request,
    name: Annotated[str, Query(min_length=1, max_length=128, pattern=_LINE)] = "upload.csv",
) -> Proposed:
    """Take the body as the file. The rates hold once another person has confirmed them, as a factor set is."""

    def run(body: bytes) -> int:
        with write_transaction(call.engine) as connection:
            on = local_day(call.now, call.settings.reporting_timezone)
            return crc_rate_store.propose(connection, body, name, actor=call.actor, now=call.at, today=on)

    return Proposed(number=await work_on(request, run))
