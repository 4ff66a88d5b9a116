"""What a CI pipeline runs beside the Pulumi CLI: a preview as Markdown, and the one comment or issue that shows it.

This package does not deploy stacks, and depends on no particular CI system: each CI job calls a `make` target.
"""
