"""Runs on disk: published once, read by anyone, derived things rebuilt when needed."""

from probes.missing import as_module, explained

with explained(typed=as_module()):
    from store.adopting import adopt
    from store.catalog import open_catalog

__all__ = ["adopt", "open_catalog"]
