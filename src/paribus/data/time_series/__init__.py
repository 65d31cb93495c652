"""What the data sets that are series are made of: reading, times and gaps, windows, scaling, naive forecasts."""
