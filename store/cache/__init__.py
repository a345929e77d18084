"""What is derived from the runs and can be deleted: what is known of them all, foreign views, merged copies."""
