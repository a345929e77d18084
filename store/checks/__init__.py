"""What cannot be: sentences about numbers of a run that do not add up."""
