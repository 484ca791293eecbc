"""The factors a calculator at the command line goes by: those of the collector here, else those that ship."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.carbon.crc_rates import RateBook, rate_book
from roadworthy_inventory.carbon.factors import FactorBook, factor_book


class Books(NamedTuple):
    """Conversion factors, and factors and prices of CRC."""

    factors: FactorBook
    rates: RateBook


def books_here(config: Path | None, say: Callable[[str], None]) -> Books:
    """Return the shipped factors and CRC rates with every confirmed set of the settings' database over them.

    Without a database it is what ships. A database that cannot be read is no reason to refuse a sum: `say` gets the
    reason and the shipped factors hold. Nothing is made, upgraded or written. RoadworthyError where the settings file
    that was named is wrong.
    """
    from roadworthy_collector.settings import load

    try:
        settings = load(config)
        if settings.database_url is None and not settings.sqlite_file.exists():
            return _shipped()
    except RoadworthyError as error:
        if config is not None:
            raise
        say(f"the factors that ship are used: {error}")
        return _shipped()
    # Here, because without a database a calculator needs none of it.
    from sqlalchemy.exc import SQLAlchemyError

    from roadworthy_collector.carbon import crc_rate_store, factor_store
    from roadworthy_collector.store.engine import open_engine

    try:
        engine = open_engine(settings.database, read_only=True)
        try:
            with engine.connect() as connection:
                return Books(factor_store.book(connection), crc_rate_store.rates(connection))
        finally:
            engine.dispose()
    except (RoadworthyError, SQLAlchemyError) as error:
        reason = str(error).partition("\n")[0]
        say(f"the factors that ship are used, for the database here cannot be read: {reason}")
        return _shipped()


def _shipped() -> Books:
    return Books(factor_book(), rate_book())
