"""The self-hosted service behind the REST contract: what it answers, what it keeps, and how it learns.

Imports no Pulumi. The wire types are `customization.contract`'s; who declares datasets and models is no business of this
package.
"""
