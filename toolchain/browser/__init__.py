"""The machine's Chromium, for the Studio's tests, benchmarks and pictures."""
