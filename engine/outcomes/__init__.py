"""Outcomes: what a model answered for each image of an evaluation or an estimate, stored in pages. How it answers is in
`learning`."""
