"""What was learnt of a run after it was published: tags, values, their source."""
