"""Data sets: each is a builder that returns a LightningDataModule with a DataSpec."""
