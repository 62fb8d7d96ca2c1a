"""The ingestion server under load, beside a bare app that parses and stores and does nothing else."""
