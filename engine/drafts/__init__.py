"""Drafts: how they begin, how pictures come into them, which labels they can have, and how they become versions."""
