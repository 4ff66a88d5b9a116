"""The programs behind `make`: set-up of a checkout, local stack commands, the Pulumi launcher. The product never imports it.

`programs` installs Node.js, Azurite and the Pulumi CLI; `stacks` prepares stacks. The modules that `make setup` needs run on a
bare `python3` (3.9 or later) with only its standard library.
"""
