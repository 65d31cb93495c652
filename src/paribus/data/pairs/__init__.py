"""What the data sets of pairs of sequences are made of: reading, splitting, the data module."""
