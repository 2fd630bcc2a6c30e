"""What the IOC knows in numbers, for Prometheus: over HTTP, to read only."""
