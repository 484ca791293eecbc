"""The factors a calculator at the command line goes by: those of the collector here, else those that ship."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from roadworthy_collector.errors import RoadworthyError
from roadworthy_inventory.carbon.factors import FactorBook, factor_book


def book_here(config: Path | None, say: Callable[[str], None]) -> FactorBook:
    """Return the shipped factors with every confirmed set of the settings' database over them.

    Without a database it is what ships. A database that cannot be read is no reason to refuse a sum: `say` gets the
    reason and the shipped factors hold. Nothing is made, upgraded or written. RoadworthyError where the settings file
    that was named is wrong.
    """
    from roadworthy_collector.settings import load

    try:
        settings = load(config)
        if settings.database_url is None and not settings.sqlite_file.exists():
            return factor_book()
    except RoadworthyError as error:
        if config is not None:
            raise
        say(f"the factors that ship are used: {error}")
        return factor_book()
    # Here, because without a database a calculator needs none of it.
    from sqlalchemy.exc import SQLAlchemyError

    from roadworthy_collector.carbon import factor_store
    from roadworthy_collector.store.engine import open_engine

    try:
        engine = open_engine(settings.database, read_only=True)
        try:
            with engine.connect() as connection:
                return factor_store.book(connection)
        finally:
            engine.dispose()
    except (RoadworthyError, SQLAlchemyError) as error:
        reason = str(error).partition("\n")[0]
        say(f"the factors that ship are used, for the database here cannot be read: {reason}")
        return factor_book()
