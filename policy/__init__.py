"""The policy pack: rules that hold for every resource of a stack, checked by Pulumi before and while it deploys.

`rules` contains the rules and needs neither Pulumi nor Azure's SDK; `__main__` connects them to the Pulumi engine; `state`
and `report` apply them to deployed resources. The pack has an environment of its own (`requirements.txt`), so it imports
nothing of the project.
"""
