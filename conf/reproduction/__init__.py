"""Every table of the study again: what was published, what it should have been, what is found here, and what holds.

``python -m conf.reproduction`` runs the scaled phases, judges them beside the recorded data, and writes the tables.
"""
