"""The ingestion server: HTTP in front of `hub.app`. It holds no rules of its own."""
