"""The prediction log as Parquet."""
