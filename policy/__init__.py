"""The policy pack: rules that hold for every resource of a stack, checked by Pulumi before and while it deploys.

`rules` decides and knows neither Pulumi nor Azure's SDK; `__main__` offers it to the Pulumi engine; `state` and `report` run
it on what is deployed. The pack has an environment of its own (`requirements.txt`), so it imports nothing of the project.
"""
