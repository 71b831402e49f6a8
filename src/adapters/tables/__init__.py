"""Tables as CSV, JSON, Parquet and Arrow: datasets for training, rows for prediction."""
