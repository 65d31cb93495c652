"""Studies: what textbooks claim, each as a controlled comparison with a verdict."""
