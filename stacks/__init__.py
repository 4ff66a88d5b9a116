"""What each environment holds: `Pulumi.<stack>.yaml`, one file a stack, and `settings`, their typed shape."""
