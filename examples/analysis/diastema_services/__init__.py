"""The services of a DIASTEMA platform, on files of CSV and Parquet."""
