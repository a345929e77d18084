"""Runs on disk: published once, read by anyone, derived things rebuilt when needed."""
