"""The content of datasets for those who look at it. Workers read it (`jobs`), and `store` keeps it."""
