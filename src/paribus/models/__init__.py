"""Models: each is a builder that returns a module from inputs (B, *input_shape) to outputs (B, num_outputs)."""
