"""What the rows of a run come down to: batches, sums and quantiles, made at publishing."""
