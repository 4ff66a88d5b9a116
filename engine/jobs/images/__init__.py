"""A job's way through its images: plan, read, decode, embed, and cache what was derived from them."""
