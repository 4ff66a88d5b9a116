"""Bodies of requests, read within their limits."""
