"""Nested Resonance Memory: agents with energy and a phase, born from one another, linked by resonance."""
