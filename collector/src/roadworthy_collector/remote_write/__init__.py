"""The remote-write sink: what devices told of closed half-hours, sent to a store of time series at its true time."""
