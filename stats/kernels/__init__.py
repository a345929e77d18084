"""Kernels: SQL that reduces a relation to sufficient statistics, and SciPy that makes numbers of them.

A kernel is a module with a constant ``SQL`` over the relation ``sample`` and pure functions from a row of its
result to a frozen value.  DuckDB has no t or F distribution, so probabilities never come from SQL.
"""
