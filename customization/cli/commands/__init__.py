"""The commands of `vision`, a module for each group."""
