"""The locked connection: rows where they lie, only those that a statement can be about, within a time limit."""
