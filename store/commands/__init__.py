"""``python -m store``: one function a subcommand, and its options."""
