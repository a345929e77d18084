"""Workloads beside the study's simulation."""
