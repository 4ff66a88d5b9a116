"""How a job processes its images: plan, read, decode, embed, and cache the derived data."""
