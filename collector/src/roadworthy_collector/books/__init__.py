"""The books in the collector: register, reconciliation, ratings and money, on the tables of `store.books_schema`."""
