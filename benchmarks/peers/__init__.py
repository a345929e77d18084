"""The programs that are measured, each a process of its own; a peer runs in an environment of its own."""
