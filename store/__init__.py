"""Runs on disk: published once, read by anyone, derived things rebuilt when needed."""

from store.adopting import adopt
from store.catalog import open_catalog

__all__ = ["adopt", "open_catalog"]
