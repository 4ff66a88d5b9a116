"""What a pipeline runs beside the Pulumi CLI: a preview as Markdown, and the one comment or issue that shows it.

How a stack is made is not here, nor is anything that only one CI system has: each of its jobs calls a `make` target.
"""
