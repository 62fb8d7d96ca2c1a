"""What plugin authors test with: the sandbox toolkit and the conformance suite. Shipped with the hub."""
