"""The environments: `Pulumi.<stack>.yaml`, one file per stack, and `settings`, their schema."""
