"""The plugin contract, discovery of plugins, the HTTP client for partners, and connections."""
