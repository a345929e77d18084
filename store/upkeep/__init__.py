"""Keep a store in order: adopt, verify, put aside, remove."""
