"""A user's own Pulumi program: its files, and the models that a stack's file declares."""
