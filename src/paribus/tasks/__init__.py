"""Tasks: one LightningModule for each kind, with its metrics and figures."""
