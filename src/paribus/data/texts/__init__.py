"""What the data sets of texts are made of: reading, tags, tokens, the data module."""
