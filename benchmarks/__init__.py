"""What the project's speed is, measured beside others doing the same work."""
