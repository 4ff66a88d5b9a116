"""What `make` calls: set-up of a checkout, the local stack's commands, the Pulumi launcher. Never imported by the product.

`programs` gets Node.js, Azurite and the Pulumi CLI; `stacks` holds what stacks need. The modules that `make setup` needs run
on a bare `python3` (3.9 or later) with nothing but its standard library.
"""
